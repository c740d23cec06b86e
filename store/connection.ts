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

/** Points in time, in milliseconds since the epoch. */
export interface Deadlines {
  /** Up to when to wait for a connection. */
  readonly connect: number
  /** Up to when to wait for the answer. */
  readonly answer: number
}

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
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.dns_min_time_between_resolutions_ms': 2_000,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
    }
    this.#client = this.#connect()
  }

  /** @throws NotSentError, or grpc-js' ServiceError when it may have been sent. */
  async call<I, O>(method: ApiMethod<I, O>, request: I, deadlines: Deadlines): Promise<O> {
    const client = await this.#ready(deadlines.connect)
    return new Promise<O>((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.encode,
        method.decode,
        request,
        new Metadata(),
        { deadline: deadlines.answer },
        (error, answer) => {
          if (!error) return resolve(answer as O)
          if (error.code === status.DEADLINE_EXCEEDED) this.#renew(client)
          reject(wasNotSent(error) ? new NotSentError(error.details) : error)
        },
      )
    })
  }

  /** Opens a stream, which has no deadline unless one is given. @throws NotSentError */
  async open<I, O>(
    method: ApiMethod<I, O>,
    deadlines: { readonly connect: number; readonly answer?: number },
  ): Promise<ClientDuplexStream<I, O>> {
    const client = await this.#ready(deadlines.connect)
    const metadata = new Metadata()
    // A member without a leader ends its streams then, instead of going silent.
    metadata.set('hasleader', 'true')
    const options = deadlines.answer === undefined ? {} : { deadline: deadlines.answer }
    const stream = client.makeBidiStreamRequest(method.path, method.encode, method.decode, metadata, options)
    stream.on('error', (error: ServiceError) => {
      if (error.code === status.DEADLINE_EXCEEDED) this.#renew(client)
    })
    return stream
  }

  /** For a stream that went silent: what is called next gets a new connection. */
  suspect(): void {
    this.#renew(this.#client)
  }

  close(): void {
    this.#closed = true
    this.#client.close()
  }

  /** The client, once it is connected, or known to fail at once and to say why. */
  async #ready(deadline: number): Promise<Client> {
    for (;;) {
      if (this.#closed) throw new NotSentError('the connection to the store is closed')
      const client = this.#client
      // The first call starts connecting, and answers with the state before.
      client.getChannel().getConnectivityState(true)
      const state = client.getChannel().getConnectivityState(false)
      if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE) return client
      if (!(await stateChange(client, state, deadline))) {
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
    this.#client = this.#connect()
    // Calls that are under way on the old one end in their own time.
    client.close()
  }
}

function stateChange(client: Client, from: connectivityState, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    client.getChannel().watchConnectivityState(from, deadline, (error) => resolve(!error))
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
