/**
 * Following a range: a list, then a watch from the list's revision on, with a
 * cursor of our own. Here a watch recovers: after a break a new one starts at
 * the cursor, so that each change is told once; only where that history is
 * gone the range is listed again.
 */

import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/retry.ts'
import { firstOf } from '../lib/signals.ts'
import type { Header, KeyValue, WatchResponse } from './etcd-api.ts'
import { type FollowedState, missedChanges } from './follow-audit.ts'
import { continues, type History, historyOf, later } from './history.ts'
import { type ReadRange, readWholeRange } from './range.ts'
import type { LenientDecoder } from './records.ts'
import type { Change, Range, Revision, Update } from './store.ts'
import type { Stranded } from './stranded.ts'
import { UpdateQueue } from './update-queue.ts'
import { CompactedError, type OpenWatch, type WatchStream } from './watch-stream.ts'

export interface FollowParts {
  readonly read: ReadRange
  readonly openWatch: OpenWatch
  readonly decode: LenientDecoder
  /** Shared by all that follow this store. */
  readonly stranded: Stranded
  readonly log: Logger
  /** Milliseconds, jittered, between comparisons with a list of keys. */
  readonly auditInterval: number
  /** Changes that wait for a slow consumer; default 10,000. */
  readonly mostWaiting?: number | undefined
  /** Members of the cluster beside the one that is followed: lost is what none of them has. Default: none. */
  readonly spares?: () => number
}

/** Changes that wait for a slow consumer; of more it is told by a snapshot, once it has caught up. */
const mostWaiting = 10_000

/**
 * See Store.follow. Updates wait, in order, for a consumer that is slow. Once
 * that has left, nothing of it is left in the signals that would have ended it.
 */
export async function* follow<T>(
  range: Range<T>,
  parts: FollowParts,
  ...ends: readonly AbortSignal[]
): AsyncGenerator<Update<T>> {
  const left = new AbortController()
  const ended = firstOf(...ends, left.signal)
  const queue = new UpdateQueue<T>(parts.mostWaiting ?? mostWaiting)
  ended.addEventListener('abort', () => queue.close(), { once: true })
  new Follower(range, parts, ended, queue).run().catch((error: unknown) => left.abort(error))
  try {
    while (!ended.aborted) {
      for (const update of queue.take()) {
        if (ended.aborted) break
        yield update
      }
      if (!ended.aborted) await queue.filled()
    }
    // Not the caller's signals: the follower failed.
    left.signal.throwIfAborted()
  } finally {
    left.abort()
  }
}

class Follower<T> implements FollowedState {
  readonly known = new Map<string, Revision>()
  readonly deleted = new Map<string, Revision>()
  readonly #range: Range<T>
  readonly #parts: FollowParts
  readonly #signal: AbortSignal
  readonly #queue: UpdateQueue<T>
  /** The consumer was too slow: it is told by a snapshot. */
  #isBehind = false
  /** All up to here has been told; undefined: a snapshot is needed. */
  #cursor: Revision | undefined
  #history: History | undefined
  #lost = false
  /** Failed attempts in a row. */
  #failures = 0

  constructor(range: Range<T>, parts: FollowParts, signal: AbortSignal, queue: UpdateQueue<T>) {
    this.#range = range
    this.#parts = parts
    this.#signal = signal
    this.#queue = queue
  }

  get cursor(): Revision {
    return this.#cursor ?? 0
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        if (this.#isBehind) await this.#catchUp()
        this.#cursor ??= await this.#snapshot()
        await this.#watch(this.#cursor)
      } catch (error) {
        if (this.#signal.aborted) return
        if (error instanceof CompactedError) this.#cursor = undefined
        else await this.#recover(OverlayError.from(error))
      }
    }
  }

  #emit(update: Update<T>): void {
    if (!this.#queue.put(update)) this.#isBehind = true
  }

  /** Nothing is read for a consumer that does not ask for it. */
  async #catchUp(): Promise<void> {
    this.#parts.log.warn({ range: this.#range.prefix }, 'changes come faster than they are worked on: reading all anew')
    await this.#queue.taken()
    this.#isBehind = false
    this.#cursor = undefined
    // That may be among what was dropped.
    this.#lost = false
  }

  async #recover(error: OverlayError): Promise<void> {
    if (error.code === 'internal') this.#parts.log.error({ err: error, range: this.#range.prefix }, 'following failed')
    // Not before all members were tried, and the one that answers other calls once more.
    const spares = this.#parts.spares?.() ?? 0
    if (spares === 0 || this.#failures > spares) {
      if (!this.#lost) this.#emit({ kind: 'lost', error })
      this.#lost = true
    }
    await this.#parts.stranded.wait(this.#failures++, this.#signal, error.retryAfter)
  }

  async #snapshot(): Promise<Revision> {
    const { header, items } = await readWholeRange(this.#parts.read, this.#range, (kv) => ({
      path: kv.key.toString(),
      modRevision: Number(kv.mod_revision),
      entry: this.#parts.decode(this.#range.type, kv),
    }))
    this.known.clear()
    for (const { path, modRevision } of items) this.known.set(path, modRevision)
    const paths = items.map(({ path }) => path)
    const entries = items.flatMap(({ entry }) => entry ?? [])
    const now = historyOf(header)
    const historyBroken = this.#history !== undefined && !continues(this.#history, now)
    this.#history = historyBroken ? now : later(this.#history, now)
    this.#lost = false
    this.#emit({ kind: 'snapshot', entries, paths, revision: now.revision, historyBroken })
    return now.revision
  }

  /**
   * Returns when the signal aborts, history turns out to be another one, an
   * audit found the watch wanting, or the consumer is too slow.
   */
  async #watch(cursor: Revision): Promise<void> {
    const ended = new AbortController()
    const signal = firstOf(this.#signal, ended.signal)
    try {
      const stream = await this.#parts.openWatch({
        prefix: this.#range.prefix,
        startRevision: cursor + 1,
        attempt: this.#failures,
        signal,
      })
      if (!(await this.#sameHistory(stream.header))) {
        this.#cursor = undefined
        return
      }
      await this.#receive(stream, signal, () => ended.abort())
    } finally {
      ended.abort()
    }
  }

  async #receive(stream: WatchStream, signal: AbortSignal, giveUp: () => void): Promise<void> {
    this.#failures = 0
    this.#parts.stranded.found()
    // After a loss, even with no changes, so that its end is known.
    if (this.#lost) this.#emit({ kind: 'changes', changes: [], revision: this.cursor })
    this.#lost = false
    if (this.#isBehind) return
    void this.#audit(signal, giveUp)
    for await (const response of stream.responses) {
      this.#take(response)
      if (this.#isBehind) return
    }
  }

  /**
   * A member that restarted or lags may answer the watch with an older
   * revision than was seen; only a linearizable read tells.
   */
  async #sameHistory(header: Header): Promise<boolean> {
    let now = historyOf(header)
    if (this.#history && !continues(this.#history, now)) {
      const answer = await this.#parts.read({ key: Buffer.from(this.#range.prefix), count_only: true })
      now = historyOf(answer.header)
      if (!continues(this.#history, now)) return false
    }
    this.#history = later(this.#history, now)
    return true
  }

  #take({ header, events }: WatchResponse): void {
    const cursor = this.cursor
    const changes: Change<T>[] = []
    let last = cursor
    for (const { type, kv } of events) {
      const revision = Number(kv.mod_revision)
      // An audit may have told it already.
      if (revision <= cursor) continue
      last = revision
      const change = type === 'Put' ? this.#put(kv, revision) : this.#deleted(kv.key.toString(), revision)
      if (change) changes.push(change)
    }
    this.#history = later(this.#history, historyOf(header))
    // Without events it is a notice of progress: an idle cursor moves on too.
    this.#cursor = events.length > 0 ? last : Math.max(cursor, Number(header.revision))
    if (changes.length > 0) this.#emit({ kind: 'changes', changes, revision: this.#cursor })
  }

  #put(kv: KeyValue, revision: Revision): Change<T> | undefined {
    const path = kv.key.toString()
    this.known.set(path, revision)
    this.deleted.delete(path)
    const entry = this.#parts.decode(this.#range.type, kv)
    return entry && { kind: 'put', entry }
  }

  #deleted(path: string, modRevision: Revision): Change<T> | undefined {
    this.deleted.set(path, modRevision)
    return this.known.delete(path) ? { kind: 'delete', path, modRevision } : undefined
  }

  /**
   * Now and then compares what was told with what is there. Where something is
   * missing it is told, and the watch, which can no longer be trusted, given up
   * for a new one.
   */
  async #audit(signal: AbortSignal, giveUp: () => void): Promise<void> {
    const { auditInterval, read, log } = this.#parts
    // Those that connected at once, after a restart of etcd, do not list at once.
    await pause(auditInterval * (0.05 + 0.95 * Math.random()), signal)
    while (!signal.aborted) {
      try {
        this.deleted.clear()
        const { missed, revision } = await missedChanges(this, { read, prefix: this.#range.prefix, signal })
        if (signal.aborted) return
        const changes = missed.flatMap((found) => {
          const { modRevision } = found
          const change = found.kv ? this.#put(found.kv, modRevision) : this.#deleted(found.path, modRevision)
          return change ? [change] : []
        })
        this.#cursor = Math.max(this.cursor, revision)
        if (missed.length > 0) {
          log.error({ range: this.#range.prefix, missed: missed.map(({ path }) => path) }, 'the watch had lost changes')
          this.#emit({ kind: 'changes', changes, revision: this.#cursor })
          return giveUp()
        }
      } catch (error) {
        // The watch itself finds out about a loss; the next audit comes.
        log.debug({ err: error, range: this.#range.prefix }, 'comparison with the store failed')
      }
      await pause(auditInterval * (0.8 + 0.4 * Math.random()), signal)
    }
  }
}
