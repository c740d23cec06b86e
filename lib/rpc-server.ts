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
import type { AnyMethod, Method, Service } from '../proto/index.ts'
import { OverlayError } from './errors.ts'
import type { Logger } from './log.ts'
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

export function createRpcServer(log: Logger): RpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': 4 * 1024 * 1024,
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
          handleCall(method, (handlers as Record<string, AnyHandler>)[name] as AnyHandler, closing.signal, log),
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
    requestDeserialize: (bytes: Buffer) => input.decode(bytes),
    responseSerialize: (value: unknown) => Buffer.from(output.encode(value as object)),
    responseDeserialize: (bytes: Buffer) => output.decode(bytes),
  }
}

function handleCall(method: AnyMethod, handler: AnyHandler, closing: AbortSignal, log: Logger): UntypedHandleCall {
  const failed = (thrown: unknown) => {
    const error = fromStatus(thrown)
    if (error.code === 'internal') log.error({ err: error, method: method.path }, 'call failed')
    return toStatus(error)
  }
  if (method.kind === 'unary')
    return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
      const context = contextOf(call, new AbortController())
      const run = async () => handler(call.request as never, context)
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
    const input =
      method.kind === 'duplex'
        ? (call as ServerDuplexStream<unknown, unknown>).iterator({ destroyOnReturn: false })
        : (call as ServerWritableStream<unknown, unknown>).request
    call.on('error', () => controller.abort())
    pump(handler(input as never, context) as AsyncIterable<unknown>, call, context.signal)
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
