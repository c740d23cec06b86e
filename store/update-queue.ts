/** The updates of a follow that wait for its consumer: a snapshot, and so many changes after it, and no more. */
import type { Update } from './store.ts'

export class UpdateQueue<T> {
  readonly #most: number
  #waiting: Update<T>[] = []
  /** Changes in what waits; news without any, such as a loss, counts as one. */
  #size = 0
  /** Among what was dropped was the news that history broke: the next snapshot tells it. */
  #wasBroken = false
  /** Something was dropped, and the consumer has not asked since. */
  #isOverrun = false
  #isClosed = false
  #onFilled = () => {}
  #onTaken = () => {}

  constructor(most: number) {
    this.#most = most
  }

  /**
   * A snapshot takes the place of all that waits. False: the consumer is too
   * slow, or these are more changes than may ever wait; all that waited is
   * dropped, and what it is to be given next is a snapshot, once it asks again
   * (`taken`).
   */
  put(update: Update<T>): boolean {
    const size = sizeOf(update)
    const fits = update.kind === 'snapshot' || this.#size + size <= this.#most
    if (update.kind === 'snapshot' || !fits) this.#drop()
    if (fits) {
      this.#waiting.push(update.kind === 'snapshot' ? this.#withBreak(update) : update)
      this.#size += size
    } else this.#isOverrun = true
    // Also where all was dropped: a consumer that waits already has to ask again.
    this.#onFilled()
    return fits
  }

  /** All that waits; the consumer is done with what it took before. */
  take(): readonly Update<T>[] {
    const batch = this.#waiting
    this.#waiting = []
    this.#size = 0
    this.#asked()
    return batch
  }

  /** Resolves when something waits or was dropped, or the queue is closed. */
  async filled(): Promise<void> {
    if (this.#waiting.length > 0 || this.#isClosed) return
    this.#asked()
    await new Promise<void>((resolve) => {
      this.#onFilled = resolve
    })
  }

  /** Resolves when the consumer has asked for more since it was too slow, or the queue is closed. */
  async taken(): Promise<void> {
    if (!this.#isOverrun || this.#isClosed) return
    await new Promise<void>((resolve) => {
      this.#onTaken = resolve
    })
  }

  /** Who waits waits no longer. */
  close(): void {
    this.#isClosed = true
    this.#onFilled()
    this.#onTaken()
  }

  #asked(): void {
    this.#isOverrun = false
    this.#onTaken()
  }

  #drop(): void {
    this.#wasBroken ||= this.#waiting.some((update) => update.kind === 'snapshot' && update.historyBroken)
    this.#waiting = []
    this.#size = 0
  }

  #withBreak(snapshot: Extract<Update<T>, { kind: 'snapshot' }>): Update<T> {
    const historyBroken = snapshot.historyBroken || this.#wasBroken
    this.#wasBroken = false
    return { ...snapshot, historyBroken }
  }
}

function sizeOf(update: Update<unknown>): number {
  if (update.kind === 'snapshot') return 0
  return update.kind === 'changes' ? Math.max(1, update.changes.length) : 1
}
