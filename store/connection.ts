/** One gRPC connection to one member of the etcd cluster. */
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import type { ApiMethod } from './etcd-api.ts'

/** The request never left this host: etcd has not seen it and never will. */
export class NotSentError extends Error {}

export interface KeepaliveTimes {
  /** Milliseconds between pings while a call or stream is open. */
  readonly interval: number
  /** Milliseconds until an unanswered ping ends the connection. */
  readonly timeout: number
}

/** etcd refuses clients that ping more often than each 5 s (its default). */
export const defaultKeepalive: KeepaliveTimes = { interval: 10_000, timeout: 5_000 }

export interface CallOptions {
  /** Up to when to wait for a connection, in milliseconds since the epoch. */
  readonly connectBy: number
  /** Up to when to wait for the answer, likewise; default: for as long as it takes. */
  readonly answerBy?: number
  /** Ends the call: with a SilentError as its reason also the connection that it went over. */
  readonly signal?: AbortSignal
  /** The request is on its way. */
  readonly onSent?: () => void
  /** Also a member without a leader is to answer: default false, it refuses (see failures.ts' isWithoutLeader). */
  readonly leaderless?: boolean
}

/** Nothing came from the member for longer than its answers take: the connection is given up. */
export class SilentError extends Error {}

/** A connection younger than this has not had its chance yet. */
const graceOfNew = 1_000

/**
 * Connects with the first call and again after each loss. A connection on
 * which a deadline passed is given up for a new one: an address that died and
 * came back is then reached at once, not when TCP tries again.
 */
export class Connection {
  readonly #target: string
  readonly #credentials: ChannelCredentials
  readonly #options: ChannelOptions
  #client: Client
  #madeAt = 0
  #closed = false
  /** Calls and streams that have not ended. */
  readonly #open = new Set<{ cancel(): void }>()

  constructor(target: string, credentials: ChannelCredentials, keepalive: KeepaliveTimes) {
    this.#target = target
    this.#credentials = credentials
    this.#options = {
      'grpc.keepalive_time_ms': keepalive.interval,
      'grpc.keepalive_timeout_ms': keepalive.timeout,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // With the shared pool all connections to one target would be one.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.dns_min_time_between_resolutions_ms': 2_000,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
    }
    this.#client = this.#connect()
  }

  /** @throws NotSentError, or grpc-js' ServiceError when it may have been sent. */
  async call<I, O>(method: ApiMethod<I, O>, request: I, options: CallOptions): Promise<O> {
    const { connectBy, answerBy = Number.POSITIVE_INFINITY, signal, onSent, leaderless = false } = options
    const client = await this.#ready(connectBy, signal)
    onSent?.()
    return new Promise<O>((resolve, reject) => {
      const end = () => call.cancel()
      const call = client.makeUnaryRequest(
        method.path,
        method.encode,
        method.decode,
        request,
        leaderless ? new Metadata() : requiringLeader(),
        { deadline: answerBy },
        (error, answer) => {
          this.#open.delete(call)
          signal?.removeEventListener('abort', end)
          if (!error) return resolve(answer as O)
          if (error.code === status.DEADLINE_EXCEEDED || signal?.reason instanceof SilentError) this.#renew(client)
          reject(wasNotSent(error) ? new NotSentError(error.details) : error)
        },
      )
      this.#open.add(call)
      signal?.addEventListener('abort', end, { once: true })
      if (signal?.aborted) end()
    })
  }

  /** Opens a stream, which has no deadline unless one is given. @throws NotSentError */
  async open<I, O>(method: ApiMethod<I, O>, options: CallOptions): Promise<ClientDuplexStream<I, O>> {
    const { connectBy, answerBy, signal, onSent } = options
    const client = await this.#ready(connectBy, signal)
    onSent?.()
    const deadline = answerBy === undefined ? {} : { deadline: answerBy }
    const stream = client.makeBidiStreamRequest(method.path, method.encode, method.decode, requiringLeader(), deadline)
    const end = () => stream.cancel()
    stream.on('error', (error: ServiceError) => {
      if (error.code === status.DEADLINE_EXCEEDED || signal?.reason instanceof SilentError) this.#renew(client)
    })
    this.#open.add(stream)
    // Not 'close': grpc-js destroys no stream that has ended, but tells the status of each.
    stream.on('status', () => {
      this.#open.delete(stream)
      signal?.removeEventListener('abort', end)
    })
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted) end()
    return stream
  }

  /** For a stream that went silent: what is called next gets a new connection. */
  suspect(): void {
    this.#renew(this.#client)
  }

  /** It is known to be dead: what goes over it ends at once. */
  reconnect(): void {
    if (this.#closed) return
    this.#replace(this.#client)
    for (const each of this.#open) each.cancel()
  }

  close(): void {
    this.#closed = true
    this.#client.close()
  }

  /** The client, once it is connected, or known to fail at once and to say why. */
  async #ready(deadline: number, signal: AbortSignal | undefined): Promise<Client> {
    for (;;) {
      if (signal?.aborted) throw new NotSentError('it did not answer in time')
      if (this.#closed) throw new NotSentError('the connection to the store is closed')
      const client = this.#client
      // The first call starts connecting, and answers with the state before.
      client.getChannel().getConnectivityState(true)
      const state = client.getChannel().getConnectivityState(false)
      if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE) return client
      if (!(await stateChange(client, state, deadline, signal))) {
        this.#renew(client)
        throw new NotSentError(`${this.#target} accepts no connection in time`)
      }
    }
  }

  #connect(): Client {
    this.#madeAt = performance.now()
    return new Client(this.#target, this.#credentials, this.#options)
  }

  #renew(client: Client): void {
    if (this.#closed || client !== this.#client || performance.now() - this.#madeAt < graceOfNew) return
    this.#replace(client)
  }

  #replace(client: Client): void {
    this.#client = this.#connect()
    // Calls that are under way on the old one end in their own time.
    client.close()
  }
}

/** A member without a leader refuses what it is asked, and ends its streams, instead of going silent. */
function requiringLeader(): Metadata {
  const metadata = new Metadata()
  metadata.set('hasleader', 'true')
  return metadata
}

/** False: the deadline has passed. Resolves early when the signal aborts. */
function stateChange(
  client: Client,
  from: connectivityState,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return new Promise((resolve) => {
    const giveUp = () => resolve(true)
    signal?.addEventListener('abort', giveUp, { once: true })
    client.getChannel().watchConnectivityState(from, deadline, (error) => {
      signal?.removeEventListener('abort', giveUp)
      resolve(!error)
    })
  })
}

/** Whether grpc-js says that the call never got a connection (its internal-channel, picker and resolver). */
function wasNotSent({ code, details }: ServiceError): boolean {
  if (code === status.DEADLINE_EXCEEDED) return details.includes('Waiting for LB pick')
  return (
    code === status.UNAVAILABLE &&
    /^(No connection established|Name resolution failed|Channel closed before call started)/.test(details)
  )
}
