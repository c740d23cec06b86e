/** The members of the etcd cluster: which one to ask, and what to do when it fails. */
import { setMaxListeners } from 'node:events'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { credentials } from '@grpc/grpc-js'
import { delayBefore, pause } from '../lib/retry.ts'
import { clientCredentials, type Tls } from '../lib/tls.ts'
import { Connection, type KeepaliveTimes, NotSentError } from './connection.ts'
import { type EtcdEndpoint, parseEtcdUrls } from './endpoints.ts'
import { type ApiMethod, type RangeRequest, range } from './etcd-api.ts'
import { isElection, isOldAuth, isRefusal, isWithoutLeader, reasonOf, refusal, unavailable } from './failures.ts'
import { hedged } from './hedged.ts'
import { type Attempt, knockAt, Member, type MemberOptions, type Term } from './member.ts'
import { OutcomeUnknownError } from './store.ts'

export interface MembersOptions {
  readonly endpoints: readonly EtcdEndpoint[]
  readonly tls: Tls | undefined
  /** Milliseconds of silence after which a call is refused. */
  readonly callTimeout: number
  /** Milliseconds that one call may take at most, as long as its member shows life. */
  readonly longestCall: number
  readonly keepalive: KeepaliveTimes
  /** See knockAt; default: a key that is nobody's. */
  readonly knock?: RangeRequest
}

/** Milliseconds for which a member that was heard of counts as there: it is written to without being asked first. */
const fresh = 1_000
/** Milliseconds that a call waits for an election to end, or for etcd's users to be changed no more. */
const electionTime = 5_000
const betweenTries = { first: 50, most: 400 }

export class Members {
  readonly #options: MembersOptions
  readonly #term: Term = { highest: 0 }
  readonly #closed = new AbortController()
  readonly #listeners = new Set<() => void>()
  /** In the order in which they became known; never empty. */
  #members: readonly Member[]
  /** The member that is asked first: the last one that answered. */
  #preferred: Member

  constructor(options: MembersOptions) {
    this.#options = options
    // Every call that waits for an election listens: many are no leak.
    setMaxListeners(0, this.#closed.signal)
    this.#members = options.endpoints.map((endpoint) => this.#member(endpoint))
    // Clients spread over the members.
    this.#preferred = this.#members[Math.floor(Math.random() * this.#members.length)] as Member
  }

  get urls(): readonly string[] {
    return this.#members.map(({ url }) => url)
  }

  /** From now on these are the members; of none nothing is changed. What is under way with others ends in its own time. */
  adopt(endpoints: readonly EtcdEndpoint[]): void {
    if (endpoints.length === 0 || this.#closed.signal.aborted) return
    const before = this.#members
    this.#members = endpoints.map(
      (endpoint) => before.find(({ url }) => url === endpoint.url) ?? this.#member(endpoint),
    )
    if (!this.#members.includes(this.#preferred)) this.#preferred = this.#members[0] as Member
    for (const member of before) if (!this.#members.includes(member)) member.close()
  }

  /** Tells of each member that did not answer. @returns how to end that. */
  onFailure(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * A call that may be made twice: another member is asked as well when one is
   * slow, and instead when it fails.
   * @throws OverlayError `unavailable` when none answers in time; what etcd
   * itself refuses, as failures.ts translates it.
   */
  read<I, O>(method: ApiMethod<I, O>, request: I): Promise<O> {
    const run: Attempt<O> = ({ calls }, options) => calls.call(method, request, options)
    return this.#throughElection(() => this.#hedged(run), isPassing)
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
    }, isNotCarriedOut)
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
    return this.#throughElection(() => this.#hedged(run), isPassing)
  }

  /** A connection of one's own to a member that answers. Errors as `read`. */
  async connectApart(): Promise<{ readonly url: string; readonly connection: Connection }> {
    await this.read(range, this.#knock)
    const { url } = this.#preferred
    return { url, connection: this.#preferred.connectApart() }
  }

  /**
   * Asks each member for itself, also one that has no leader; none for longer than
   * `within` milliseconds. By default all that are known.
   */
  async askEach<I, O>(
    method: ApiMethod<I, O>,
    request: I,
    within: number,
    urls = this.urls,
  ): Promise<readonly MemberAnswer<O>[]> {
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
    const known = this.#members.filter(({ url }) => urls.includes(url))
    const strange = parseEtcdUrls(urls, false).filter(({ url }) => !known.some((member) => member.url === url))
    const guests = strange.map((endpoint) => this.#member(endpoint))
    return Promise.all([...known, ...guests].map(ask)).finally(() => {
      clearTimeout(timer)
      for (const guest of guests) guest.close()
    })
  }

  /**
   * Opens a stream for a watch. The first attempt after a loss is made at the
   * member that answers other calls now, those after that go round the others.
   * @throws OverlayError `unavailable`
   */
  async openWatch<I, O>(method: ApiMethod<I, O>, attempt: number): Promise<WatchChannel<I, O>> {
    const { watches, pulse } = this.#after(this.#preferred, Math.max(0, attempt - 1))
    const patience = pulse.patience()
    try {
      const stream = await watches.open(method, { connectBy: Date.now() + patience })
      return { stream, patience, suspect: () => watches.suspect() }
    } catch (error) {
      this.#failed()
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

  #member({ url, target, secure }: EtcdEndpoint): Member {
    const { tls, callTimeout, longestCall, keepalive } = this.#options
    // https without files of our own: trust what the system trusts.
    const channel = secure && !tls ? credentials.createSsl() : clientCredentials(tls)
    const times = { quiet: callTimeout, longest: Math.max(longestCall, callTimeout) }
    const options: MemberOptions = { ...times, knock: this.#knock }
    return new Member(url, () => new Connection(target, channel, keepalive), this.#term, options)
  }

  get #knock(): RangeRequest {
    return this.#options.knock ?? knockAt('\0')
  }

  #after(member: Member, steps: number): Member {
    return this.#members[(this.#members.indexOf(member) + steps) % this.#members.length] ?? this.#preferred
  }

  /** What is called next asks another member first. */
  #avoid(member: Member): void {
    this.#failed()
    if (this.#preferred === member) this.#preferred = this.#after(member, 1)
  }

  #failed(): void {
    for (const tell of this.#listeners) tell()
  }

  /** Tries again while a new leader is being elected, or etcd's users are being changed; `passes` tells by what an attempt failed for that. */
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
    if (performance.now() - this.#preferred.pulse.heardAt >= fresh) await this.read(range, this.#knock)
  }

  async #oneByOne<T>(run: Attempt<T>): Promise<T> {
    const since = performance.now()
    const errors: unknown[] = []
    for (;;) {
      const member = this.#preferred
      try {
        return await member.attend(run, { since, untilElection: true })
      } catch (error) {
        if (isRefusal(error)) throw refusal(error)
        this.#avoid(member)
        if (!(error instanceof NotSentError || isWithoutLeader(error))) throw new OutcomeUnknownError(error)
        errors.push(error)
        const isLate = performance.now() - since >= member.pulse.patience()
        if (errors.length >= this.#attempts || isLate) throw this.#unavailable(errors)
      }
    }
  }

  #hedged<T>(run: Attempt<T>): Promise<T> {
    return hedged(run, {
      members: Array.from(this.#members, (_, step) => this.#after(this.#preferred, step)),
      attempts: this.#attempts,
      onAnswer: (member) => {
        if (this.#members.includes(member)) this.#preferred = member
      },
      onFailure: (member) => this.#avoid(member),
      unavailable: (errors) => this.#unavailable(errors),
    })
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

/** Whether what failed may be done again at once: something that passes kept it from being answered. */
const isPassing = (error: unknown) => isElection(error) || isOldAuth(error)
/** The same of what must not be done twice. */
const isNotCarriedOut = (error: unknown) => isWithoutLeader(error) || isOldAuth(error)

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
