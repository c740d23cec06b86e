/** When what failed is tried again: each key by a backoff of its own. */
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import type { Key } from './state/key.ts'

export interface RetriesOptions {
  readonly backoff: Backoff
  /** A monotonic clock in milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
  readonly retry: (keys: readonly Key[]) => void
}

interface Retry {
  /** Attempts in a row that failed. */
  readonly failures: number
  /** Infinity while the attempt is under way. */
  readonly at: number
}

export class Retries {
  readonly #options: RetriesOptions
  readonly #retries = new Map<Key, Retry>()
  #wakesAt = Infinity
  #waiting = new AbortController()

  constructor(options: RetriesOptions) {
    this.#options = options
  }

  /** The key is to be tried again, after a longer time than before. */
  again(key: Key): void {
    const { backoff, now } = this.#options
    const failures = this.#retries.get(key)?.failures ?? 0
    const at = now() + delayBefore(failures, backoff)
    this.#retries.set(key, { failures: failures + 1, at })
    this.#wakeAt(at)
  }

  /** There is nothing to try again. */
  settled(key: Key): void {
    this.#retries.delete(key)
  }

  #wakeAt(at: number): void {
    if (at >= this.#wakesAt) return
    this.#wakesAt = at
    this.#waiting.abort()
    const waiting = new AbortController()
    this.#waiting = waiting
    const { now, signal } = this.#options
    void pause(at - now(), signal, waiting.signal).then(() => {
      if (!signal.aborted && !waiting.signal.aborted) this.#retryDue()
    })
  }

  /** What is due soon goes along, so that thousands of keys are no thousands of rounds. */
  #retryDue(): void {
    const { now, backoff, retry } = this.#options
    const soon = now() + backoff.first
    const due: Key[] = []
    let next = Infinity
    for (const [key, { at, failures }] of this.#retries)
      if (at > soon) next = Math.min(next, at)
      else {
        this.#retries.set(key, { failures, at: Infinity })
        due.push(key)
      }
    this.#wakesAt = Infinity
    if (next < Infinity) this.#wakeAt(next)
    retry(due)
  }
}
