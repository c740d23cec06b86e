/** Those that have lost the store, together. */
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'

/** Of one alone. The first repeat at once: etcd restarted is etcd back. */
const usual: Backoff = { first: 50, most: 2_000 }
/** One among many waits so many times as long at most. */
const mostShares = 20

/**
 * Who waits to try again: the more there are, the longer each waits beyond what
 * one alone would, so that many cost hardly more than one. Whoever finds the
 * store back ends that for all.
 */
export class Stranded {
  readonly #waiting = new Set<AbortController>()
  readonly #alone: Backoff

  constructor(alone: Backoff = usual) {
    this.#alone = alone
  }

  /** Before attempt `failures`, so many milliseconds at least. Returns early when the signal aborts. */
  async wait(failures: number, signal: AbortSignal, least = 0): Promise<void> {
    const found = new AbortController()
    this.#waiting.add(found)
    const alone = this.#alone
    await pause(Math.max(delayBefore(failures, alone), least), signal)
    const others = Math.min(this.#waiting.size, mostShares) - 1
    if (others > 0) await pause(delayBefore(failures, { ...alone, most: alone.most * others }), signal, found.signal)
    this.#waiting.delete(found)
  }

  /** The store has answered. */
  found(): void {
    for (const each of this.#waiting) each.abort()
    this.#waiting.clear()
  }
}
