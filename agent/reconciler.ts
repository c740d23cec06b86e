/** Brings the kernel to the planned state: by key on events, whole by audit. */
import { OverlayError } from '../lib/errors.ts'
import type { Backoff } from '../lib/retry.ts'
import { type Comparison, compareTwice } from './drift/compare.ts'
import { Retries } from './reconciler-retries.ts'
import { type Applied, Work, type WorkOptions } from './reconciler-work.ts'
import { hostKey, type Key } from './state/key.ts'

export interface ReconcilerOptions extends WorkOptions {
  readonly signal: AbortSignal
  readonly backoff?: Backoff
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number
}

interface Waiter {
  readonly keys: readonly Key[]
  readonly resolve: () => void
  readonly reject: (error: OverlayError) => void
}

interface Comparing {
  readonly resolve: (comparison: Comparison) => void
  readonly reject: (error: OverlayError) => void
}

/** Rounds that go before a comparison that waits: keys may be marked without a pause. */
const mostPutOff = 10

export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #dirty = new Set<Key>()
  /** Keys that a detach takes down: their deletes are allowed while others are not. */
  readonly #forced = new Set<Key>()
  readonly #waiters = new Set<Waiter>()
  readonly #comparing = new Set<Comparing>()
  readonly #work: Work
  readonly #retries: Retries
  #running = false
  #started = false
  #auditDue = false
  #putOff = 0

  constructor(options: ReconcilerOptions) {
    this.#options = options
    const { signal, backoff = { first: 100, most: 15_000 }, now = () => performance.now() } = options
    this.#work = new Work(options)
    this.#retries = new Retries({ backoff, now, signal, retry: (keys) => this.mark(keys) })
    signal.addEventListener('abort', () => this.#refuseWaiters(), { once: true })
  }

  /** Keys whose last attempt failed, and why. */
  problems(): ReadonlyMap<Key, OverlayError> {
    return this.#work.problems()
  }

  /** Marks keys dirty. Before the first audit nothing is done about them. */
  mark(keys: Iterable<Key>): void {
    for (const key of keys) this.#dirty.add(key)
    this.#wake()
  }

  /**
   * Marks keys dirty and waits until they were dealt with. With `forced`, they
   * are taken down also while nothing else may be deleted.
   * @throws OverlayError the first failure of one of the keys; `unavailable` when
   * the agent is stopped before.
   */
  settle(keys: readonly Key[], { forced = false } = {}): Promise<void> {
    if (keys.length === 0) return Promise.resolve()
    if (forced) for (const key of keys) this.#forced.add(key)
    return new Promise((resolve, reject) => {
      this.#waiters.add({ keys, resolve, reject })
      if (this.#options.signal.aborted) this.#refuseWaiters()
      else this.mark(keys)
    })
  }

  /**
   * Observes the whole kernel, compares it with the whole plan, mends what differs;
   * also what failed before and waits to be tried again.
   */
  audit(): Promise<void> {
    this.#started = true
    this.#auditDue = true
    return this.settle([hostKey])
  }

  /**
   * What an audit would mend, once what is marked was dealt with; nothing is
   * applied. Work in progress is no deviation.
   * @throws OverlayError when the kernel cannot be looked at; `unavailable` when
   * the agent is stopped before.
   */
  compare(): Promise<Comparison> {
    return new Promise((resolve, reject) => {
      this.#comparing.add({ resolve, reject })
      if (this.#options.signal.aborted) this.#refuseWaiters()
      else this.#wake()
    })
  }

  #wake(): void {
    if (this.#running || !this.#started || this.#options.signal.aborted) return
    this.#running = true
    // What is marked in the same turn is done in one go.
    queueMicrotask(() => void this.#run())
  }

  async #run(): Promise<void> {
    try {
      while (!this.#options.signal.aborted) {
        const isAsked = this.#comparing.size > 0
        if (isAsked && (this.#dirty.size === 0 || this.#putOff++ >= mostPutOff)) await this.#compareNow()
        else if (this.#dirty.size > 0) await this.#round()
        else return
      }
    } finally {
      this.#running = false
    }
  }

  async #round(): Promise<void> {
    const marked = [...this.#dirty]
    this.#dirty.clear()
    const whole = this.#auditDue && marked.includes(hostKey)
    if (whole) this.#auditDue = false
    // Who asks from now on is answered by the next round: this one may have planned already.
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    try {
      await this.#deal(marked, whole)
    } catch (error) {
      const failure = OverlayError.from(error)
      this.#options.log.error({ err: failure }, 'reconciliation failed')
      this.#work.failed(marked, failure)
      if (whole) this.#auditDue = true
      for (const key of marked) this.#retries.again(key)
    }
    this.#answer(waiters)
  }

  async #deal(marked: readonly Key[], whole: boolean): Promise<void> {
    const seen = whole ? await this.#work.observe() : undefined
    const keys = seen ? [...new Set([...marked, ...seen.keys])] : marked
    const forced = new Set(keys.filter((key) => this.#forced.delete(key)))
    // What could not be taken down is tried again by the same right.
    const forceAgain = (which: (key: Key) => boolean) => {
      for (const key of forced) if (which(key)) this.#forced.add(key)
    }
    try {
      const applied = await this.#work.apply(keys, forced, seen?.before)
      forceAgain((key) => this.#work.problems().has(key))
      this.#scheduleRetries(keys, applied)
    } catch (error) {
      forceAgain(() => true)
      throw error
    }
  }

  /** What failed is tried again, and so is an audit after a link was rebuilt: each ever more slowly. */
  #scheduleRetries(keys: readonly Key[], { blocked, unblocked, rebuilt }: Applied): void {
    const problems = this.#work.problems()
    const again = new Set(keys.filter((key) => problems.has(key) && !blocked.has(key)))
    if (rebuilt) {
      this.#auditDue = true
      again.add(hostKey)
    }
    for (const key of again) this.#retries.again(key)
    for (const key of keys) if (!again.has(key) && !(key === hostKey && this.#auditDue)) this.#retries.settled(key)
    this.mark(unblocked)
  }

  async #compareNow(): Promise<void> {
    const asked = [...this.#comparing]
    this.#comparing.clear()
    this.#putOff = 0
    try {
      const comparison = await compareTwice(() => this.#work.look(this.#dirty, this.#forced))
      for (const { resolve } of asked) resolve(comparison)
    } catch (error) {
      for (const { reject } of asked) reject(OverlayError.from(error))
    }
  }

  #answer(waiters: readonly Waiter[]): void {
    const problems = this.#work.problems()
    for (const { keys, resolve, reject } of waiters) {
      const problem = keys.map((key) => problems.get(key)).find((error) => error !== undefined)
      if (problem) reject(problem)
      else resolve()
    }
  }

  #refuseWaiters(): void {
    const error = new OverlayError('unavailable', 'the agent is being stopped')
    for (const { reject } of [...this.#waiters, ...this.#comparing]) reject(error)
    this.#waiters.clear()
    this.#comparing.clear()
  }
}
