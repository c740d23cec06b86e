/** Calls our gRPC services with promises and async iterables. */
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  type CallOptions as GrpcCallOptions,
  Metadata,
} from '@grpc/grpc-js'
import type { AnyMethod, Init, Method, Service } from '../proto/index.ts'
import { OverlayError } from './errors.ts'
import { fromStatus } from './rpc-status.ts'

export interface CallOptions {
  readonly signal?: AbortSignal
  /** Milliseconds; default: the client's. */
  readonly timeout?: number
}

/** A duplex call, as the caller sees it. */
export interface Duplex<I, O> extends AsyncIterable<O> {
  send(message: Init<I>): void
  /** No more will be sent. */
  end(): void
}

type Call<M> =
  M extends Method<infer I, infer O, infer K>
    ? K extends 'unary'
      ? (request: Init<I>, options?: CallOptions) => Promise<O>
      : K extends 'server-stream'
        ? (request: Init<I>, options?: CallOptions) => AsyncIterable<O>
        : (options?: CallOptions) => Duplex<I, O>
    : never

/** A function per method of the service; all reject with OverlayErrors. */
export type Calls<S extends Service> = { readonly [K in keyof S['methods']]: Call<S['methods'][K]> }

export interface RpcClient {
  /** The address as it was given. */
  readonly address: string
  service<S extends Service>(service: S): Calls<S>
  /**
   * Connects, and sends no call.
   * @returns false when the peer has said nothing for so many milliseconds (a
   * host that is gone, a program that is stopped); true when it answers, and when
   * the connection fails at once: then the next call tells why.
   */
  answers(milliseconds: number): Promise<boolean>
  close(): void
}

export interface RpcClientOptions {
  /** `HOST:PORT` or `unix:PATH`. */
  readonly address: string
  readonly credentials: ChannelCredentials
  /** Deadline of unary calls, in milliseconds. Streams have none. */
  readonly timeout: number
  /** Told of what comes with each answer, before it: its initial metadata. */
  readonly onMetadata?: (metadata: Metadata) => void
}

/**
 * Connects with the first call. Half-open connections are found by keepalive.
 * After a call that was refused as unauthenticated the next one connects anew:
 * who calls is settled when a connection is made, and the certificate may have
 * been renewed since, or the peer have learnt of its authority.
 */
export function createRpcClient({ address, credentials, timeout, onMetadata }: RpcClientOptions): RpcClient {
  const open = () => new Client(address, credentials, channelOptions)
  let current = open()
  let closed = false
  const dial: Dial = {
    client: () => current,
    sent: (call) => onMetadata && call.on('metadata', onMetadata),
    failed: (client, error) => {
      if (error.code !== 'unauthenticated' || client !== current || closed) return
      // Streams that it has go on until they end.
      client.close()
      current = open()
    },
  }
  return {
    address,
    service<S extends Service>(service: S) {
      const calls = Object.entries(service.methods).map(([name, method]) => [name, callOf(dial, method, timeout)])
      return Object.fromEntries(calls) as Calls<S>
    },
    answers: (milliseconds) => answers(current, Date.now() + milliseconds),
    close() {
      closed = true
      current.close()
    },
  }
}

const channelOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.max_receive_message_length': -1,
  // With the shared pool a new client would get the connection of the former one, which may be dead.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.enable_http_proxy': 0,
}

/** Of the connection that calls go by now. */
interface Dial {
  client(): Client
  /** Told of each call. */
  sent(call: { on(event: 'metadata', listener: (metadata: Metadata) => void): unknown }): void
  /** Told of each call of this client that failed. */
  failed(client: Client, error: OverlayError): void
}

/** A connection counts as ready once the peer has sent its settings: who is stopped only accepts it. */
async function answers(client: Client, deadline: number): Promise<boolean> {
  const channel = client.getChannel()
  // The first call starts connecting, and tells the state before.
  channel.getConnectivityState(true)
  for (;;) {
    const state = channel.getConnectivityState(true)
    if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return true
    const changed = await new Promise<boolean>((resolve) =>
      channel.watchConnectivityState(state, deadline, (error) => resolve(!error)),
    )
    if (!changed) return false
  }
}

function callOf(dial: Dial, method: AnyMethod, timeout: number) {
  if (method.kind === 'unary')
    return (request: object, options?: CallOptions) => unary(dial, method, request, { timeout, ...options })
  if (method.kind === 'server-stream')
    return (request: object, options: CallOptions = {}) => {
      const { input, output, path } = method
      const client = dial.client()
      const call = client.makeServerStreamRequest(path, encoder(input), decoder(output), request, callOptions(options))
      dial.sent(call)
      return received(call, (error) => dial.failed(client, error), options.signal)
    }
  return (options: CallOptions = {}) => duplex(dial, method, options)
}

function unary(dial: Dial, { path, input, output }: AnyMethod, request: object, options: CallOptions) {
  return new Promise<unknown>((resolve, reject) => {
    const { signal } = options
    const givenUp = () => new OverlayError('deadline', 'the call was given up')
    if (signal?.aborted) return reject(givenUp())
    const client = dial.client()
    const failure = (thrown: Error) => {
      const error = fromStatus(thrown)
      dial.failed(client, error)
      return signal?.aborted ? givenUp() : error
    }
    const call = client.makeUnaryRequest(
      path,
      encoder(input),
      decoder(output),
      request,
      new Metadata(),
      callOptions(options),
      (error, answer) => {
        signal?.removeEventListener('abort', cancel)
        if (error) reject(failure(error))
        else resolve(answer)
      },
    )
    dial.sent(call)
    const cancel = () => call.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
  })
}

function duplex(dial: Dial, method: AnyMethod, options: CallOptions): Duplex<unknown, unknown> {
  const client = dial.client()
  const call: ClientDuplexStream<unknown, unknown> = client.makeBidiStreamRequest(
    method.path,
    encoder(method.input),
    decoder(method.output),
    callOptions(options),
  )
  dial.sent(call)
  const answers = received(call, (error) => dial.failed(client, error), options.signal)
  return {
    send: (message) => void call.write(message),
    end: () => call.end(),
    [Symbol.asyncIterator]: () => answers[Symbol.asyncIterator](),
  }
}

/** The stream's messages. Ends quietly when the caller's signal aborts. */
function received(
  call: ClientReadableStream<unknown>,
  failed: (error: OverlayError) => void,
  signal?: AbortSignal,
): AsyncIterable<unknown> {
  const cancel = () => call.cancel()
  // Without a listener an error between two reads would end the process. One that
  // comes before the first read is told to nobody else.
  let failure: Error | undefined
  call.on('error', (error) => {
    failure = error
    failed(fromStatus(error))
  })
  if (signal?.aborted) cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  return (async function* () {
    try {
      yield* call
      if (failure) throw failure
    } catch (error) {
      if (!signal?.aborted) throw fromStatus(error)
    } finally {
      signal?.removeEventListener('abort', cancel)
      cancel()
    }
  })()
}

function callOptions({ timeout }: CallOptions): GrpcCallOptions {
  return timeout === undefined ? {} : { deadline: Date.now() + timeout }
}

function encoder(type: AnyMethod['input']) {
  return (value: unknown) => Buffer.from(type.encode(value as object))
}

function decoder(type: AnyMethod['output']) {
  return (bytes: Buffer) => type.decode(bytes)
}
