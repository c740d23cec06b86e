/** Serves our gRPC services, with health (grpc.health.v1) and reflection. */
import { setMaxListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { logVerbosity, Server, type ServerCredentials, setLogVerbosity } from '@grpc/grpc-js'
import * as protoLoader from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { Method, MethodKind, Service } from '../proto/index.ts'
import { OverlayError } from './errors.ts'
import type { Logger } from './log.ts'
import { createGate, type Gate } from './overload.ts'
import { pause } from './retry.ts'
import { type Access, accessInterceptor } from './rpc-access.ts'
import { type AnyHandler, type CallContext, definitionOf, handleCall } from './rpc-handling.ts'
import { packageRoot } from './version.ts'

export type { CallContext } from './rpc-handling.ts'

type Handler<M> =
  M extends Method<infer I, infer O, infer K>
    ? K extends 'unary'
      ? (request: I, context: CallContext) => Promise<O>
      : K extends 'server-stream'
        ? (request: I, context: CallContext) => AsyncIterable<O>
        : (requests: AsyncIterable<I>, context: CallContext) => AsyncIterable<O>
    : never

/** What implements a service: a function per method, which throws OverlayErrors. */
export type Handlers<S extends Service> = { readonly [K in keyof S['methods']]: Handler<S['methods'][K]> }

export interface RpcServerOptions {
  /** Who serves, for messages, for example `this controller`. */
  readonly name: string
  /**
   * Calls of each kind that may be in progress; more are refused at once, with
   * when to try again. A call is in progress until its handler has ended, also
   * when its caller is gone. Health and reflection do not count.
   */
  readonly mostCalls: Readonly<Record<MethodKind, number>>
  /** Who may call what; undefined: everybody everything. */
  readonly access?: Access | undefined
  /** With `access`: see InterceptorOptions. */
  readonly patience?: number | undefined
}

export interface RpcServer {
  add<S extends Service>(service: S, handlers: Handlers<S>): void
  /**
   * Starts to serve; `address` is `HOST:PORT` or `unix:PATH`.
   * @returns the port that was bound.
   */
  listen(address: string, credentials: ServerCredentials): Promise<number>
  /**
   * Health says NOT_SERVING, new calls are refused, own streams end; calls in
   * progress have `grace` milliseconds, then they are cut.
   */
  close(grace?: number): Promise<void>
}

/** Of a server of which nothing else is known. */
const defaults: RpcServerOptions = {
  name: 'this server',
  mostCalls: { unary: 1_000, 'server-stream': 1_000, duplex: 1_000 },
}

export function createRpcServer(log: Logger, options = defaults): RpcServer {
  const { name: who, mostCalls, access, patience } = options
  const gates: Readonly<Record<MethodKind, Gate>> = {
    unary: createGate(who, 'calls', mostCalls.unary),
    'server-stream': createGate(who, 'streams', mostCalls['server-stream']),
    duplex: createGate(who, 'streams of agents', mostCalls.duplex),
  }
  const server = new Server({
    'grpc.max_receive_message_length': 4 * 1024 * 1024,
    // On one connection; beyond that HTTP/2 makes the client wait. More than all that may be in progress: what is too
    // much has to come here to be refused.
    'grpc.max_concurrent_streams': 2 * (mostCalls.unary + mostCalls['server-stream'] + mostCalls.duplex),
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    interceptors: access ? [accessInterceptor(access, { name: who, log, patience })] : [],
  })
  const health = new HealthImplementation({ '': 'NOT_SERVING' })
  const closing = new AbortController()
  // Every open stream listens: many are no leak.
  setMaxListeners(0, closing.signal)
  const names: string[] = []
  health.addToServer(server)
  reflection().addToServer(server)

  return {
    add(service, handlers) {
      const definition = Object.fromEntries(Object.entries(service.methods).map(([name, m]) => [name, definitionOf(m)]))
      const implementation = Object.fromEntries(
        Object.entries(service.methods).map(([name, method]) => [
          name,
          handleCall(method, (handlers as Record<string, AnyHandler>)[name] as AnyHandler, {
            gate: gates[method.kind],
            closing: closing.signal,
            log,
          }),
        ]),
      )
      server.addService(definition, implementation)
      names.push(service.name)
    },
    async listen(address, credentials) {
      const port = await new Promise<number>((resolve, reject) =>
        server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
      ).catch((error: Error) => {
        throw new OverlayError('failed_precondition', `cannot listen on ${address}: ${reasonOf(error)}`, {
          cause: error,
        })
      })
      for (const name of ['', ...names]) health.setStatus(name, 'SERVING')
      return port
    },
    async close(grace = 2_000) {
      for (const name of ['', ...names]) health.setStatus(name, 'NOT_SERVING')
      closing.abort()
      const over = new AbortController()
      server.tryShutdown(() => over.abort())
      await pause(grace, over.signal)
      server.forceShutdown()
    },
  }
}

// grpc-js writes to standard error by itself what it throws as well; what goes there is ours to say.
setLogVerbosity(logVerbosity.NONE)

/** Without grpc-js' own frame around what the system said. */
function reasonOf({ message }: Error): string {
  return /\[(.+)\]$/.exec(message)?.[1] ?? message
}

function reflection(): ReflectionService {
  const root = join(packageRoot, 'proto')
  const files = readdirSync(join(root, 'overlay/v1')).map((file) => `overlay/v1/${file}`)
  return new ReflectionService(protoLoader.loadSync(files, { includeDirs: [root] }))
}
