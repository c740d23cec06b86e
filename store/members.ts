/** The members of the etcd cluster: which one to ask, and what to do when it fails. */
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { credentials } from '@grpc/grpc-js'
import { clientCredentials, type TlsMaterial } from '../lib/tls.ts'
import { Connection, type Deadlines, type KeepaliveTimes, NotSentError } from './connection.ts'
import type { EtcdEndpoint } from './endpoints.ts'
import type { ApiMethod } from './etcd-api.ts'
import { isRefusal, reasonOf, refusal, unavailable } from './failures.ts'
import { OutcomeUnknownError } from './store.ts'

interface Member {
  readonly url: string
  /** All but watches, which starve behind big answers on a shared connection. */
  readonly calls: Connection
  readonly watches: Connection
}

export interface MembersOptions {
  readonly endpoints: readonly EtcdEndpoint[]
  readonly tls: TlsMaterial | undefined
  /** Milliseconds for one call, all attempts together. */
  readonly callTimeout: number
  readonly keepalive: KeepaliveTimes
}

type Attempt<T> = (member: Member, deadlines: Deadlines) => Promise<T>

export class Members {
  readonly urls: readonly string[]
  readonly callTimeout: number
  readonly #members: readonly Member[]
  /** The member that is asked first: the last one that answered. */
  #preferred: number

  constructor({ endpoints, tls, callTimeout, keepalive }: MembersOptions) {
    this.urls = endpoints.map(({ url }) => url)
    this.callTimeout = callTimeout
    this.#members = endpoints.map(({ url, target, secure }) => {
      // https without files of our own: trust what the system trusts.
      const channel = secure && !tls ? credentials.createSsl() : clientCredentials(tls)
      const connection = () => new Connection(target, channel, keepalive)
      return { url, calls: connection(), watches: connection() }
    })
    // Clients spread over the members.
    this.#preferred = Math.floor(Math.random() * endpoints.length)
  }

  /**
   * A call that may be made twice: another member is asked when one fails.
   * @throws OverlayError `unavailable` when none answers in time; what etcd
   * itself refuses, as failures.ts translates it.
   */
  read<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    return this.#attempt(({ calls }, deadlines) => calls.call(method, request, deadlines), true)
  }

  /**
   * A call that is sent once. Only while it certainly was not sent is another
   * member tried.
   * @throws OutcomeUnknownError when it may have been carried out; else as `read`.
   */
  once<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    return this.#attempt(({ calls }, deadlines) => calls.call(method, request, deadlines), false)
  }

  /** Sends one request on a stream of its own and gives the first answer. Errors as `read`. */
  ask<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    return this.#attempt(async ({ calls }, deadlines) => {
      const stream = await calls.open(method, deadlines)
      try {
        return await firstAnswer(stream, request)
      } finally {
        stream.cancel()
      }
    }, true)
  }

  /**
   * Opens a stream for a watch; the `attempt`s go round the members.
   * @throws OverlayError `unavailable`
   */
  async openWatch<I, O>(method: ApiMethod<I, O>, attempt: number): Promise<WatchChannel<I, O>> {
    const member = this.#at(this.#preferred + attempt)
    try {
      const stream = await member.watches.open(method, { connect: Date.now() + this.callTimeout })
      return { stream, suspect: () => member.watches.suspect() }
    } catch (error) {
      throw unavailable(this.urls, [reasonOf(error)], error)
    }
  }

  close(): void {
    for (const { calls, watches } of this.#members) {
      calls.close()
      watches.close()
    }
  }

  #at(index: number): Member {
    return this.#members[index % this.#members.length] as Member
  }

  async #attempt<T>(run: Attempt<T>, repeatable: boolean): Promise<T> {
    const end = Date.now() + this.callTimeout
    const reasons: string[] = []
    // With one member: once more, for the connection that broke unseen.
    const attempts = Math.max(2, this.#members.length)
    for (let attempt = 0; ; attempt++) {
      const index = this.#preferred
      const now = Date.now()
      const share = now + (end - now) / Math.max(1, this.#members.length - attempt)
      try {
        return await run(this.#at(index), { connect: share, answer: repeatable ? share : end })
      } catch (error) {
        if (isRefusal(error)) throw refusal(error)
        if (this.#preferred === index) this.#preferred = (index + 1) % this.#members.length
        if (!repeatable && !(error instanceof NotSentError)) throw new OutcomeUnknownError(error)
        reasons.push(reasonOf(error))
        if (attempt + 1 >= attempts || Date.now() >= end) throw unavailable(this.urls, reasons, error)
      }
    }
  }
}

export interface WatchChannel<I, O> {
  readonly stream: ClientDuplexStream<I, O>
  /** The member does not answer: its next watch gets a new connection. */
  suspect(): void
}

function firstAnswer<I, O>(stream: ClientDuplexStream<I, O>, request: I): Promise<O> {
  return new Promise((resolve, reject) => {
    stream.once('data', resolve)
    stream.once('error', reject)
    stream.once('end', () => reject(new Error('etcd ended the stream without an answer')))
    stream.write(request)
  })
}
