/** Serves our gRPC services, with health (grpc.health.v1) and reflection. */
import { type EventEmitter, setMaxListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  logVerbosity,
  Server,
  type ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  setLogVerbosity,
  type UntypedHandleCall,
} from '@grpc/grpc-js'
import * as protoLoader from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { AnyMethod, Method, MethodKind, Service } from '../proto/index.ts'
import { OverlayError } from './errors.ts'
import type { Logger } from './log.ts'
import { createGate, type Gate } from './overload.ts'
import { pause } from './retry.ts'
import { fromStatus, toStatus } from './rpc-status.ts'
import { packageRoot } from './version.ts'

export interface CallContext {
  /** Aborts when the caller is gone, its deadline has passed, or we shut down; a stream's also with its end. */
  readonly signal: AbortSignal
  /** The caller's address, as grpc-js tells it. */
  readonly peer: string
  /** When the caller gives up: milliseconds since the epoch, or Infinity. */
  readonly deadline: number
}

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

export function createRpcServer(log: Logger, { name: who, mostCalls } = defaults): RpcServer {
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
      const done = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      await Promise.race([done, pause(grace)])
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

type AnyHandler = (input: never, context: CallContext) => Promise<unknown> | AsyncIterable<unknown>
type StreamCall = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>

/** grpc-js' description of one method. */
function definitionOf({ path, kind, input, output }: AnyMethod) {
  return {
    path,
    requestStream: kind === 'duplex',
    responseStream: kind !== 'unary',
    requestSerialize: (value: unknown) => Buffer.from(input.encode(value as object)),
    requestDeserialize: (bytes: Buffer) => decoded(input, bytes),
    responseSerialize: (value: unknown) => Buffer.from(output.encode(value as object)),
    responseDeserialize: (bytes: Buffer) => output.decode(bytes),
  }
}

/** A request that cannot be read. Thrown by the decoder it would reach the caller as an error of ours. */
class Unreadable {
  readonly error: OverlayError

  constructor(error: OverlayError) {
    this.error = error
  }
}

function decoded(type: AnyMethod['input'], bytes: Buffer): unknown {
  try {
    return type.decode(bytes)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return new Unreadable(new OverlayError('invalid', `this is no ${type.name}: ${why}`, { cause: error }))
  }
}

/** @throws OverlayError `invalid` when it could not be read. */
function readable(request: unknown): unknown {
  if (request instanceof Unreadable) throw request.error
  return request
}

async function* allReadable(requests: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
  for await (const request of requests) yield readable(request)
}

interface Serving {
  readonly gate: Gate
  readonly closing: AbortSignal
  readonly log: Logger
}

function handleCall(method: AnyMethod, handler: AnyHandler, { gate, closing, log }: Serving): UntypedHandleCall {
  const failed = (thrown: unknown) => {
    const error = fromStatus(thrown)
    if (error.code === 'internal') log.error({ err: error, method: method.path }, 'call failed')
    return toStatus(error)
  }
  if (method.kind === 'unary')
    return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
      const context = contextOf(call, new AbortController())
      const run = async () => {
        const leave = gate.enter()
        try {
          return await handler(readable(call.request) as never, context)
        } finally {
          leave()
        }
      }
      run().then(
        (value) => answer(null, value),
        (error) => answer(failed(error)),
      )
    }
  return (call: StreamCall) => {
    const controller = new AbortController()
    const context = contextOf(call, controller)
    closing.addEventListener('abort', () => controller.abort(), { signal: context.signal, once: true })
    // By itself the end of the caller's half would destroy the stream before our half has ended.
    const input = () =>
      method.kind === 'duplex'
        ? allReadable((call as ServerDuplexStream<unknown, unknown>).iterator({ destroyOnReturn: false }))
        : readable((call as ServerWritableStream<unknown, unknown>).request)
    call.on('error', () => controller.abort())
    const run = async () => {
      const leave = gate.enter()
      try {
        await pump(handler(input() as never, context) as AsyncIterable<unknown>, call, context.signal)
      } finally {
        leave()
      }
    }
    run()
      .then(
        () => call.end(),
        (error) => call.emit('error', failed(error)),
      )
      // Nothing listens for the shutdown any more.
      .finally(() => controller.abort())
  }
}

function contextOf(
  call: EventEmitter & { getPeer(): string; getDeadline(): Date | number },
  controller: AbortController,
): CallContext {
  call.on('cancelled', () => controller.abort())
  return { signal: controller.signal, peer: call.getPeer(), deadline: Number(call.getDeadline()) }
}

/** Writes what comes, no faster than the other side reads. */
async function pump(source: AsyncIterable<unknown>, call: StreamCall, signal: AbortSignal): Promise<void> {
  for await (const value of source) {
    if (signal.aborted) return
    if (!call.write(value)) await drained(call, signal)
  }
}

function drained(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    call.on('drain', done)
    signal.addEventListener('abort', done)
  })
}

function reflection(): ReflectionService {
  const root = join(packageRoot, 'proto')
  const files = readdirSync(join(root, 'overlay/v1')).map((file) => `overlay/v1/${file}`)
  return new ReflectionService(protoLoader.loadSync(files, { includeDirs: [root] }))
}
