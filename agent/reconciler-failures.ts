/** What could not be applied, and why; the log is told of it once. */
import type { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Operation } from './kernel/kernel.ts'
import { itemId } from './state/item.ts'
import type { Key } from './state/key.ts'

/** Warnings of one round; a missing link fails all that hangs on it. */
const mostWarnings = 20

/** By the object's id. */
type Failed = Map<string, { readonly error: OverlayError; readonly told: string }>

export class Failures {
  readonly #log: Logger
  readonly #problems = new Map<Key, OverlayError>()
  readonly #failed = new Map<Key, Failed>()
  /** What the round under way found to have failed in the one before. */
  readonly #before = new Map<Key, Failed>()
  /** Keys of which all that failed did for want of this link. */
  readonly #waiting = new Map<Key, string>()
  readonly #own = new Set<Key>()
  #warnings = 0

  constructor(log: Logger) {
    this.#log = log
  }

  /** Keys whose last attempt failed, and the first error of each. */
  problems(): ReadonlyMap<Key, OverlayError> {
    return this.#problems
  }

  /** Why the object is not as it should be, if that was tried. */
  of(key: Key, id: string): OverlayError | undefined {
    return this.#failed.get(key)?.get(id)?.error
  }

  /** These keys are tried anew. */
  begin(keys: Iterable<Key>): void {
    this.#warnings = 0
    this.#before.clear()
    this.#own.clear()
    for (const key of keys) {
      this.#waiting.delete(key)
      const failed = this.#failed.get(key)
      if (failed) this.#before.set(key, failed)
      this.#failed.delete(key)
      this.#problems.delete(key)
    }
  }

  /** The attempt failed as a whole. */
  noteKey(key: Key, error: OverlayError): void {
    this.#problems.set(key, error)
  }

  /**
   * `link`: the one that is not there, and without which it had to fail. It is
   * tried again and again: only what is new is worth a warning.
   */
  note(key: Key, { do: what, item }: Operation, error: OverlayError, link: string | undefined): void {
    const id = itemId(item)
    const told = `${what} ${error.message}`
    const isNews = link === undefined && this.#before.get(key)?.get(id)?.told !== told
    const level = isNews && this.#warnings++ < mostWarnings ? 'warn' : 'debug'
    this.#log[level]({ err: error, key, item: id, operation: what }, 'could not be applied')
    const failed: Failed = this.#failed.get(key) ?? new Map()
    this.#failed.set(key, failed.set(id, { error, told }))
    if (!this.#problems.has(key)) this.#problems.set(key, error)
    if (link === undefined) this.#own.add(key)
    else this.#waiting.set(key, link)
  }

  /** The keys that are tried have been. @returns those of them that only want a link. */
  end(): ReadonlySet<Key> {
    for (const key of this.#own) this.#waiting.delete(key)
    const more = this.#warnings - mostWarnings
    if (more > 0) this.#log.warn({ more }, 'more could not be applied: see them with --log-level debug')
    return new Set(this.#waiting.keys())
  }

  /** The link is there: which keys have waited for it. */
  waitingFor(link: string): readonly Key[] {
    return [...this.#waiting].flatMap(([key, name]) => (name === link ? [key] : []))
  }
}
