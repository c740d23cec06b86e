/** Every RPC there is, read from the .proto files: a new one is fuzzed without a word here. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { packageRoot } from '../../lib/version.ts'

/** Who serves it. */
export type Side = 'agent' | 'controller'

export interface Rpc {
  /** For example `Networks/Create`. */
  readonly name: string
  /** The HTTP/2 path. */
  readonly path: string
  readonly side: Side
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly input: protobuf.Type
}

/** In the order of the files. @throws Error when they cannot be read. */
export function allRpcs(): readonly Rpc[] {
  const services = schema().nestedArray.filter((member) => member instanceof protobuf.Service)
  return services.flatMap((service) =>
    service.methodsArray.map((method): Rpc => {
      method.resolve()
      const { resolvedRequestType: input, requestStream = false, responseStream = false } = method
      if (!input) throw new Error(`${method.fullName} has no request`)
      const name = `${service.name}/${method.name}`
      // What the agent serves is one service, in a file of its own.
      const side = service.name === 'Agent' ? 'agent' : 'controller'
      return { name, path: `/overlay.v1.${name}`, side, requestStream, responseStream, input }
    }),
  )
}

/** A message by its name, for example `Question`. */
export function messageType(name: string): protobuf.Type {
  return schema().lookupType(name)
}

let loaded: protobuf.Namespace | undefined

function schema(): protobuf.Namespace {
  if (loaded) return loaded
  const directory = join(packageRoot, 'proto')
  const root = new protobuf.Root()
  root.resolvePath = (_, target) => (target.startsWith('/') ? target : join(directory, target))
  const files = readdirSync(join(directory, 'overlay/v1')).map((file) => `overlay/v1/${file}`)
  root.loadSync(files.toSorted()).resolveAll()
  loaded = root.lookup('overlay.v1') as protobuf.Namespace
  return loaded
}
