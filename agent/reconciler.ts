/** Brings the kernel to the planned state: by key on events, whole by audit. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import { diff, itemMap } from './diff.ts'
import type { Kernel, Operation, OperationResult } from './kernel/kernel.ts'
import { type AnyItem, carrierOf, type Item, itemId } from './state/item.ts'
import { hostKey, type Key, straysKey } from './state/key.ts'

export interface ReconcilerOptions {
  readonly kernel: Kernel
  readonly plan: (key: Key) => readonly Item[]
  /** Every key that there is something to plan for. */
  readonly keys: () => readonly Key[]
  /** Whose work an object is that was found in the kernel, if its mark tells. */
  readonly ownerOf: (item: AnyItem) => Key | undefined
  /** False while nothing may be deleted (see guard.ts). */
  readonly mayDelete: () => boolean
  readonly signal: AbortSignal
  readonly log: Logger
  readonly backoff?: Backoff
}

interface Waiter {
  readonly keys: readonly Key[]
  readonly resolve: () => void
  readonly reject: (error: OverlayError) => void
}

export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #dirty = new Set<Key>()
  /** Keys that a detach takes down: their deletes are allowed while others are not. */
  readonly #forced = new Set<Key>()
  readonly #waiters = new Set<Waiter>()
  /** What is in the kernel, as far as we know: last observed, then last applied. */
  readonly #actual = new Map<string, AnyItem>()
  readonly #owner = new Map<string, Key>()
  readonly #owned = new Map<Key, Set<string>>()
  readonly #carried = new Map<string, Set<string>>()
  readonly #problems = new Map<Key, OverlayError>()
  /** What the log was told of a key's failures when it was last dealt with. */
  readonly #told = new Map<Key, Set<string>>()
  #running = false
  #started = false
  #auditDue = false
  #retryDue = false
  #failures = 0

  constructor(options: ReconcilerOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#refuseWaiters(), { once: true })
  }

  /** Keys whose last attempt failed, and why. */
  problems(): ReadonlyMap<Key, OverlayError> {
    return this.#problems
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

  /** Observes the whole kernel, compares it with the whole plan, mends what differs. */
  audit(): Promise<void> {
    this.#started = true
    this.#auditDue = true
    return this.settle([hostKey])
  }

  #wake(): void {
    if (this.#running || !this.#started || this.#options.signal.aborted) return
    this.#running = true
    // What is marked in the same turn is done in one go.
    queueMicrotask(() => void this.#run())
  }

  async #run(): Promise<void> {
    try {
      while (this.#dirty.size > 0 && !this.#options.signal.aborted) await this.#round()
    } finally {
      this.#running = false
    }
  }

  async #round(): Promise<void> {
    const whole = this.#auditDue
    this.#auditDue = false
    const marked = [...this.#dirty]
    this.#dirty.clear()
    // Who asks from now on is answered by the next round: this one may have planned already.
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    const forced = new Set<Key>()
    try {
      if (whole) await this.#observe()
      const keys = whole ? [...new Set([...marked, ...this.#options.keys(), ...this.#owned.keys()])] : marked
      for (const key of keys) if (this.#forced.delete(key)) forced.add(key)
      await this.#apply(keys, forced)
    } catch (error) {
      const failure = OverlayError.from(error)
      this.#options.log.error({ err: failure }, 'reconciliation failed')
      for (const key of marked) this.#problems.set(key, failure)
      if (whole) this.#auditDue = true
    }
    // What could not be taken down is tried again by the same right.
    for (const key of forced) if (this.#problems.has(key)) this.#forced.add(key)
    this.#answer(waiters)
    this.#scheduleRetry()
  }

  /** Learns anew what is in the kernel. What belongs to no key is a stray, to be swept. */
  async #observe(): Promise<void> {
    const seen = itemMap(await this.#options.kernel.observe())
    for (const id of this.#actual.keys()) if (!seen.has(id)) this.#drop(id)
    for (const [id, item] of seen) this.#own(id, item, this.#owner.get(id) ?? this.#options.ownerOf(item) ?? straysKey)
  }

  async #apply(keys: readonly Key[], forced: ReadonlySet<Key>): Promise<void> {
    const desired = new Map<string, Item>()
    const wanted = new Map<string, Key>()
    for (const key of keys)
      for (const item of this.#options.plan(key)) {
        desired.set(itemId(item), item)
        wanted.set(itemId(item), key)
      }
    const actual = new Map<string, AnyItem>()
    for (const id of [...keys.flatMap((key) => [...(this.#owned.get(key) ?? [])]), ...desired.keys()]) {
      const item = this.#actual.get(id)
      if (item) actual.set(id, item)
    }
    for (const [id, key] of wanted) if (actual.has(id)) this.#own(id, actual.get(id) as AnyItem, key)
    const mayDelete = this.#options.mayDelete()
    const operations = diff(actual, desired).filter(
      ({ do: what, item }) => what === 'put' || mayDelete || forced.has(this.#owner.get(itemId(item)) ?? straysKey),
    )
    const results = operations.length > 0 ? await this.#options.kernel.apply(operations) : []
    const told = new Map(keys.map((key) => [key, this.#told.get(key)]))
    for (const key of keys) {
      this.#problems.delete(key)
      this.#told.delete(key)
    }
    operations.forEach((operation, at) => this.#note(operation, results[at], wanted, told))
  }

  /** Keeps in mind what an operation really did. */
  #note(
    { do: what, item }: Operation,
    result: OperationResult | undefined,
    wanted: ReadonlyMap<string, Key>,
    told: ReadonlyMap<Key, ReadonlySet<string> | undefined>,
  ): void {
    const id = itemId(item)
    const key = wanted.get(id) ?? this.#owner.get(id) ?? straysKey
    if (!result?.ok) {
      const error = result?.error ?? new OverlayError('internal', `the kernel gave no result for ${id}`)
      // It is tried again and again: only what is new is worth a warning.
      const failure = `${what} ${id}: ${error.message}`
      const level = told.get(key)?.has(failure) ? 'debug' : 'warn'
      this.#options.log[level]({ err: error, key, item: id, operation: what }, 'could not be applied')
      addTo(this.#told, key, failure)
      if (!this.#problems.has(key)) this.#problems.set(key, error)
      return
    }
    if (what === 'delete' || result.rebuilt) this.#dropCarriedBy(item)
    if (what === 'delete') this.#drop(id)
    else this.#own(id, item, key)
    if (result.rebuilt) this.#auditDue = true
  }

  #dropCarriedBy(link: AnyItem): void {
    if ('name' in link) for (const id of this.#carried.get(link.name) ?? []) this.#drop(id)
  }

  #own(id: string, item: AnyItem, key: Key): void {
    const before = this.#owner.get(id)
    if (before !== key) removeFrom(this.#owned, before, id)
    this.#actual.set(id, item)
    this.#owner.set(id, key)
    addTo(this.#owned, key, id)
    addTo(this.#carried, carrierOf(item), id)
  }

  #drop(id: string): void {
    const item = this.#actual.get(id)
    removeFrom(this.#owned, this.#owner.get(id), id)
    removeFrom(this.#carried, item && carrierOf(item), id)
    this.#actual.delete(id)
    this.#owner.delete(id)
  }

  #answer(waiters: readonly Waiter[]): void {
    for (const { keys, resolve, reject } of waiters) {
      const problem = keys.map((key) => this.#problems.get(key)).find((error) => error !== undefined)
      if (problem) reject(problem)
      else resolve()
    }
  }

  #refuseWaiters(): void {
    for (const { reject } of this.#waiters) reject(new OverlayError('unavailable', 'the agent is being stopped'))
    this.#waiters.clear()
  }

  /** What failed is tried again, ever more slowly; so is an audit after a link was rebuilt. */
  #scheduleRetry(): void {
    if (this.#problems.size === 0 && !this.#auditDue) this.#failures = 0
    else if (!this.#retryDue) {
      this.#retryDue = true
      const delay = delayBefore(this.#failures++, this.#options.backoff ?? { first: 100, most: 15_000 })
      void pause(delay, this.#options.signal).then(() => {
        this.#retryDue = false
        this.mark([...this.#problems.keys(), ...(this.#auditDue ? [hostKey] : [])])
      })
    }
  }
}

function addTo<K>(index: Map<K, Set<string>>, key: K | undefined, id: string): void {
  if (key !== undefined) index.set(key, (index.get(key) ?? new Set()).add(id))
}

function removeFrom<K>(index: Map<K, Set<string>>, key: K | undefined, id: string): void {
  if (key === undefined) return
  const ids = index.get(key)
  ids?.delete(id)
  if (ids?.size === 0) index.delete(key)
}
