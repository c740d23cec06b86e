/** The work of a round: observe, plan, diff, apply; and what is known of the kernel, and of what went wrong. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { diff, type ItemMap, itemMap } from './diff.ts'
import type { Comparison } from './drift/compare.ts'
import { Drift, type Finding } from './drift/drift.ts'
import { renamed } from './drift/renamed.ts'
import type { Kernel, Operation, OperationResult, SandboxOf } from './kernel/kernel.ts'
import { type Done, LastMacs } from './last-macs.ts'
import { Failures } from './reconciler-failures.ts'
import { Known } from './reconciler-known.ts'
import { type AnyItem, carrierOf, type Item, itemId } from './state/item.ts'
import { type Key, straysKey } from './state/key.ts'

export interface WorkOptions {
  readonly kernel: Kernel
  readonly plan: (key: Key) => readonly Item[]
  /** Every key that there is something to plan for. */
  readonly keys: () => readonly Key[]
  /** Whose work an object is that was found in the kernel, if its mark tells. */
  readonly ownerOf: (item: AnyItem) => Key | undefined
  /** Where the sandboxes are now. */
  readonly sandboxes: () => SandboxOf
  /** Why nothing may be deleted (see guard.ts); undefined: it may. */
  readonly held: () => string | undefined
  /** Told of what audits found otherwise than it had been left, when it is mended. */
  readonly onMended: (findings: readonly Finding[]) => void
  readonly log: Logger
}

/** What came of applying. */
export interface Applied {
  /** Keys that need no retry of their own: they wait for a link. */
  readonly blocked: ReadonlySet<Key>
  /** Keys that waited for a link that is there now. */
  readonly unblocked: readonly Key[]
  /** A link was made anew, so that what hung on it is gone. */
  readonly rebuilt: boolean
}

interface Planned {
  readonly desired: Map<string, Item>
  /** Whose an object is, wanted or not. */
  readonly keyOf: (id: string) => Key
}

export class Work {
  readonly #options: WorkOptions
  readonly #known = new Known()
  readonly #drift = new Drift()
  readonly #lastMacs = new LastMacs()
  readonly #failures: Failures
  /** All was observed and applied once: what is found otherwise from then on, somebody has changed. */
  #audited = false

  constructor(options: WorkOptions) {
    this.#options = options
    this.#failures = new Failures(options.log)
  }

  /** Keys whose last attempt failed, and why. */
  problems(): ReadonlyMap<Key, OverlayError> {
    return this.#failures.problems()
  }

  /** Nothing could be tried for these keys. */
  failed(keys: Iterable<Key>, error: OverlayError): void {
    for (const key of keys) this.#failures.noteKey(key, error)
  }

  /**
   * Learns anew what is in the kernel. What belongs to no key is a stray, to be
   * swept.
   * @returns every key that there is work for, and what was known before.
   * @throws OverlayError
   */
  async observe(): Promise<{ readonly keys: readonly Key[]; readonly before: ItemMap<AnyItem> }> {
    const { kernel, sandboxes, ownerOf, keys } = this.#options
    const seen = itemMap(await kernel.observe(sandboxes()))
    const before = this.#known.copy()
    this.#known.replace(seen, (item) => ownerOf(item) ?? straysKey)
    return { keys: [...keys(), ...this.#known.owners()], before }
  }

  /**
   * Does what there is to do for these keys by what is known of the kernel; after
   * `observe`, for all of them, with what was known `before`. Of what is `forced`
   * also what is held back is deleted.
   * @throws OverlayError when the kernel did nothing at all.
   */
  async apply(keys: readonly Key[], forced: ReadonlySet<Key>, before?: ItemMap<AnyItem>): Promise<Applied> {
    const { kernel, held, onMended } = this.#options
    const { desired, keyOf } = this.#plan(keys)
    const actual = this.#actual(keys, desired)
    for (const [id, item] of actual) this.#known.set(item, keyOf(id))
    const due = diff(actual, desired)
    if (before && this.#audited) this.#drift.note({ operations: due, before, actual, desired, keyOf })
    const isHeld = held() !== undefined
    const operations = due.filter(({ do: what, item }) => what === 'put' || !isHeld || forced.has(keyOf(itemId(item))))
    const results = operations.length > 0 ? await kernel.apply(operations) : []
    this.#failures.begin(keys)
    const unblocked: Key[] = []
    const mended: Finding[] = []
    const done: Done[] = []
    operations.forEach((operation, at) => {
      const { item, do: what } = operation
      if (!this.#note(operation, results[at], keyOf(itemId(item)))) return
      done.push({ operation, before: actual.get(itemId(item)) })
      if (what === 'put' && 'name' in item) unblocked.push(...this.#failures.waitingFor(item.name))
      const finding = this.#drift.mended(itemId(item))
      if (finding) mended.push(finding)
    })
    const blocked = this.#failures.end()
    if (before) this.#audited = true
    if (mended.length > 0) onMended(mended)
    const announcements = this.#lastMacs.after(done)
    if (announcements.length > 0) await kernel.announce(announcements)
    return { blocked, unblocked, rebuilt: results.some((result) => result.ok && result.rebuilt) }
  }

  /**
   * What there would be to do, without doing it, and what is told and left alone;
   * but for what is `dirty`, and so on its way.
   * @throws OverlayError
   */
  async look(dirty: ReadonlySet<Key>, forced: ReadonlySet<Key>): Promise<Comparison> {
    const { kernel, sandboxes, ownerOf, keys, held } = this.#options
    const actual = itemMap(await kernel.observe(sandboxes()))
    const { desired, keyOf } = this.#plan(keys())
    const whyHeld = held()
    const due = diff(actual, desired).flatMap((operation) => {
      const { do: what, item } = operation
      const id = itemId(item)
      const known = keyOf(id)
      const key = known === straysKey ? (ownerOf(item) ?? known) : known
      if (dirty.has(key)) return []
      const isHeld = what === 'delete' && !forced.has(key)
      const obstacle = (isHeld ? whyHeld : undefined) ?? this.#failures.of(key, id)?.message ?? ''
      return [{ operation, found: actual.get(id), key, obstacle }]
    })
    const told = renamed(actual, desired, keyOf).filter(({ key }) => !dirty.has(key))
    const differing = [...due, ...told]
    return { differing, objects: new Set([...actual.keys(), ...desired.keys()]).size }
  }

  #plan(keys: Iterable<Key>): Planned {
    const desired = new Map<string, Item>()
    const wanted = new Map<string, Key>()
    for (const key of keys)
      for (const item of this.#options.plan(key)) {
        const id = itemId(item)
        desired.set(id, item)
        wanted.set(id, key)
      }
    return { desired, keyOf: (id) => wanted.get(id) ?? this.#known.ownerOf(id) ?? straysKey }
  }

  /** What there is of these keys, or in the place of what they want. */
  #actual(keys: readonly Key[], desired: ItemMap): ReadonlyMap<string, AnyItem> {
    const actual = new Map<string, AnyItem>()
    for (const id of [...keys.flatMap((key) => [...this.#known.idsOf(key)]), ...desired.keys()]) {
      const item = this.#known.get(id)
      if (item) actual.set(id, item)
    }
    return actual
  }

  /** Keeps in mind what an operation really did. @returns whether it succeeded. */
  #note(operation: Operation, result: OperationResult | undefined, key: Key): boolean {
    const { do: what, item } = operation
    const id = itemId(item)
    if (!result?.ok) {
      const error = result?.error ?? new OverlayError('internal', `the kernel gave no result for ${id}`)
      const link = linkUnder(item)
      const isWithout = link !== undefined && this.#known.get(`link ${link}`) === undefined
      this.#failures.note(key, operation, error, isWithout ? link : undefined)
      return false
    }
    if (what === 'delete' || result.rebuilt) this.#known.dropCarriedBy(item)
    if (what === 'delete') this.#known.drop(id)
    else this.#known.set(item, key)
    return true
  }
}

/** The link without which the object cannot be. */
function linkUnder(item: AnyItem): string | undefined {
  return carrierOf(item) ?? (item.kind === 'vxlan' || item.kind === 'veth' ? item.bridge : undefined)
}
