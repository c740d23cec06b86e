/** One call on its way through our server: read, let in, handled, answered. */
import type { EventEmitter } from 'node:events'
import type {
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedHandleCall,
} from '@grpc/grpc-js'
import type { AnyMethod } from '../proto/index.ts'
import type { Logger } from './log.ts'
import type { Gate } from './overload.ts'
import { admissionOf, type Caller } from './rpc-access.ts'
import { fromStatus, toStatus } from './rpc-status.ts'
import { firstOf } from './signals.ts'
import { decoded, readable } from './unreadable.ts'

export interface CallContext {
  /**
   * Aborts when the caller is gone, its deadline has passed, or, of a stream, it
   * may call no more; and after the end of the call. Of a shutdown a stream learns at once, any other call when its
   * grace is over.
   */
  readonly signal: AbortSignal
  /**
   * Who calls, by a certificate that was looked at. Undefined on a server that
   * does not ask (in clear, or on a unix socket), and in methods for strangers.
   */
  readonly caller: Caller | undefined
  /** The caller's address, as grpc-js tells it. */
  readonly peer: string
  /** When the caller gives up: milliseconds since the epoch, or Infinity. */
  readonly deadline: number
}

/** What answers calls of one method. */
export type AnyHandler = (input: never, context: CallContext) => Promise<unknown> | AsyncIterable<unknown>
type StreamCall = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>

/** grpc-js' description of one method. */
export function definitionOf({ path, kind, input, output }: AnyMethod) {
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

async function* allReadable(requests: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
  for await (const request of requests) yield readable(request)
}

export interface Serving {
  readonly gate: Gate
  readonly closing: AbortSignal
  readonly log: Logger
}

/** Has the handler answer the calls of its method, as far as the gate lets them in. */
export function handleCall(method: AnyMethod, handler: AnyHandler, { gate, closing, log }: Serving): UntypedHandleCall {
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
    const revoked = admissionOf(call.metadata)?.revoked
    // It may have begun just before the server took no more.
    const signal = firstOf(controller.signal, closing, ...(revoked ? [revoked] : []))
    const context = { ...contextOf(call, controller), signal }
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
  call: EventEmitter & { metadata: Metadata; getPeer(): string; getDeadline(): Date | number },
  controller: AbortController,
): CallContext {
  call.on('cancelled', () => controller.abort())
  return {
    signal: controller.signal,
    caller: admissionOf(call.metadata)?.caller,
    peer: call.getPeer(),
    deadline: Number(call.getDeadline()),
  }
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
