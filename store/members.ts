/** The members of the etcd cluster: which one to ask, and what to do when it fails. */
import { setMaxListeners } from 'node:events'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { credentials } from '@grpc/grpc-js'
import { delayBefore, pause } from '../lib/retry.ts'
import { clientCredentials, type TlsMaterial } from '../lib/tls.ts'
import { Connection, type KeepaliveTimes, NotSentError } from './connection.ts'
import type { EtcdEndpoint } from './endpoints.ts'
import { type ApiMethod, range } from './etcd-api.ts'
import { isElection, isRefusal, isWithoutLeader, reasonOf, refusal, unavailable } from './failures.ts'
import { type Attempt, knock, Member } from './member.ts'
import { OutcomeUnknownError } from './store.ts'

export interface MembersOptions {
  readonly endpoints: readonly EtcdEndpoint[]
  readonly tls: TlsMaterial | undefined
  /** Milliseconds of silence after which a call is refused. */
  readonly callTimeout: number
  /** Milliseconds that one call may take at most, as long as its member shows life. */
  readonly longestCall: number
  readonly keepalive: KeepaliveTimes
}

/** Milliseconds for which a member that was heard of counts as there: it is written to without being asked first. */
const fresh = 1_000
/** Milliseconds that a call waits for an election to end. */
const electionTime = 5_000
const betweenTries = { first: 50, most: 400 }

export class Members {
  readonly urls: readonly string[]
  readonly #members: readonly Member[]
  readonly #closed = new AbortController()
  /** The member that is asked first: the last one that answered. */
  #preferred: number

  constructor({ endpoints, tls, callTimeout, longestCall, keepalive }: MembersOptions) {
    this.urls = endpoints.map(({ url }) => url)
    // Every call that waits for an election listens: many are no leak.
    setMaxListeners(0, this.#closed.signal)
    const term = { highest: 0 }
    const times = { quiet: callTimeout, longest: Math.max(longestCall, callTimeout) }
    this.#members = endpoints.map(({ url, target, secure }) => {
      // https without files of our own: trust what the system trusts.
      const channel = secure && !tls ? credentials.createSsl() : clientCredentials(tls)
      return new Member(url, () => new Connection(target, channel, keepalive), term, times)
    })
    // Clients spread over the members.
    this.#preferred = Math.floor(Math.random() * endpoints.length)
  }

  /**
   * A call that may be made twice: another member is asked as well when one is
   * slow, and instead when it fails.
   * @throws OverlayError `unavailable` when none answers in time; what etcd
   * itself refuses, as failures.ts translates it.
   */
  read<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    const run: Attempt<O> = ({ calls }, options) => calls.call(method, request, options)
    return this.#throughElection(() => this.#hedged(run), isElection)
  }

  /**
   * A call that is sent once; where there is a choice, to a member that was just
   * heard of. Only while it certainly was not carried out is another tried.
   * @throws OutcomeUnknownError when it may have been carried out; else as `read`.
   */
  once<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    const run: Attempt<O> = ({ calls }, options) => calls.call(method, request, options)
    return this.#throughElection(async () => {
      await this.#findPresent()
      return this.#oneByOne(run)
    }, isWithoutLeader)
  }

  /** Sends one request on a stream of its own and gives the first answer. Errors as `read`. */
  ask<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    const run: Attempt<O> = async ({ calls }, options) => {
      const stream = await calls.open(method, options)
      try {
        return await firstAnswer(stream, request)
      } finally {
        stream.cancel()
      }
    }
    return this.#throughElection(() => this.#hedged(run), isElection)
  }

  /** Asks each member for itself, also one that has no leader; none for longer than `within` milliseconds. */
  async askEach<I, O>(method: ApiMethod<I, O>, request: I, within: number): Promise<readonly MemberAnswer<O>[]> {
    const since = performance.now()
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), within)
    const run: Attempt<O> = ({ calls }, options) => calls.call(method, request, { ...options, leaderless: true })
    const ask = async (member: Member): Promise<MemberAnswer<O>> => {
      const { url } = member
      try {
        return { url, answer: await member.attend(run, { since, over: late.signal }) }
      } catch (error) {
        return { url, problem: late.signal.aborted ? 'it did not answer in time' : reasonOf(error) }
      }
    }
    return Promise.all(this.#members.map(ask)).finally(() => clearTimeout(timer))
  }

  /**
   * Opens a stream for a watch. The first attempt after a loss is made at the
   * member that answers other calls now, those after that go round the others.
   * @throws OverlayError `unavailable`
   */
  async openWatch<I, O>(method: ApiMethod<I, O>, attempt: number): Promise<WatchChannel<I, O>> {
    const { watches, pulse } = this.#at(this.#preferred + Math.max(0, attempt - 1))
    const patience = pulse.patience()
    try {
      const stream = await watches.open(method, { connectBy: Date.now() + patience })
      return { stream, patience, suspect: () => watches.suspect() }
    } catch (error) {
      throw unavailable(this.urls, [reasonOf(error)], error)
    }
  }

  /** See Store.reconnect. */
  reconnect(): void {
    for (const { calls, watches } of this.#members) for (const each of [calls, watches]) each.reconnect()
  }

  close(): void {
    this.#closed.abort()
    for (const member of this.#members) member.close()
  }

  #at(index: number): Member {
    return this.#members[index % this.#members.length] as Member
  }

  /** What is called next asks another member first. */
  #avoid(index: number): void {
    if (this.#preferred === index) this.#preferred = (index + 1) % this.#members.length
  }

  /** Tries again while a new leader is being elected; `passes` tells by what an attempt failed for that. */
  async #throughElection<T>(action: () => Promise<T>, passes: (error: unknown) => boolean): Promise<T> {
    const { signal } = this.#closed
    const end = performance.now() + electionTime
    for (let attempt = 0; ; attempt++) {
      try {
        return await action()
      } catch (error) {
        const isOver = performance.now() > end || signal.aborted || error instanceof OutcomeUnknownError
        if (isOver || !(error instanceof Error) || !passes(error.cause)) throw error
        await pause(delayBefore(attempt, betweenTries), signal)
      }
    }
  }

  /** Where there are several: makes one the preferred that answers now. @throws OverlayError `unavailable` */
  async #findPresent(): Promise<void> {
    if (this.#members.length === 1) return
    if (performance.now() - this.#at(this.#preferred).pulse.heardAt >= fresh) await this.read(range, knock)
  }

  async #oneByOne<T>(run: Attempt<T>): Promise<T> {
    const since = performance.now()
    const errors: unknown[] = []
    for (;;) {
      const index = this.#preferred
      const member = this.#at(index)
      try {
        return await member.attend(run, { since, untilElection: true })
      } catch (error) {
        if (isRefusal(error)) throw refusal(error)
        this.#avoid(index)
        if (!(error instanceof NotSentError || isWithoutLeader(error))) throw new OutcomeUnknownError(error)
        errors.push(error)
        const isLate = performance.now() - since >= member.pulse.patience()
        if (errors.length >= this.#attempts || isLate) throw this.#unavailable(errors)
      }
    }
  }

  /**
   * Begins with the preferred member; the next one joins in when that is slow,
   * or takes its place when it fails. The first answer counts.
   */
  async #hedged<T>(run: Attempt<T>): Promise<T> {
    const since = performance.now()
    const over = new AbortController()
    const first = this.#preferred
    const errors: unknown[] = []
    const running = new Set<Member>()
    let begun = 0
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        const begin = () => {
          const index = (first + begun++) % this.#members.length
          const member = this.#at(index)
          clearTimeout(timer)
          if (begun < this.#members.length) timer = setTimeout(begin, member.pulse.hedge())
          running.add(member)
          const answered = (answer: T) => {
            this.#preferred = index
            running.delete(member)
            for (const slower of running) slower.suspect()
            resolve(answer)
          }
          const failed = (error: unknown) => {
            if (over.signal.aborted) return
            if (isRefusal(error)) return reject(refusal(error))
            this.#avoid(index)
            running.delete(member)
            errors.push(error)
            const isLate = performance.now() - since >= member.pulse.patience()
            if (begun < this.#attempts && !isLate) begin()
            else if (errors.length === begun) reject(this.#unavailable(errors))
          }
          member.attend(run, { since, over: over.signal }).then(answered, failed)
        }
        begin()
      })
    } finally {
      clearTimeout(timer)
      over.abort()
    }
  }

  /** With one member: once more, for the connection that broke unseen. */
  get #attempts(): number {
    return Math.max(2, this.#members.length)
  }

  #unavailable(errors: readonly unknown[]) {
    // An election is something that passes.
    const cause = errors.find(isElection) ?? errors.at(-1)
    return unavailable(this.urls, errors.map(reasonOf), cause)
  }
}

export interface MemberAnswer<O> {
  readonly url: string
  readonly answer?: O
  /** Why there is no answer. */
  readonly problem?: string
}

export interface WatchChannel<I, O> {
  readonly stream: ClientDuplexStream<I, O>
  /** Milliseconds until a member that says nothing counts as gone. */
  readonly patience: number
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
