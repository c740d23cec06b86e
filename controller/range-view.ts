/** A range of the store as it is now, in memory, for all who ask. */
import type { Logger } from '../lib/log.ts'
import type { Entry, Range, Store } from '../store/store.ts'
import { bringUpToDate, type Difference } from './differences.ts'

export interface RangeView<T> {
  /** By path; empty before the first snapshot. */
  readonly entries: ReadonlyMap<string, Entry<T>>
  /** Once the first snapshot has come. */
  readonly inSync: Promise<void>
  /** Told of every difference after the first snapshot. @returns how to end that. */
  onDifference(listener: (difference: Difference<T>) => void): () => void
}

/** Follows the range until `signal` aborts. A lost connection changes nothing of what was seen. */
export function viewRange<T>(store: Store, range: Range<T>, signal: AbortSignal, log: Logger): RangeView<T> {
  const entries = new Map<string, Entry<T>>()
  const listeners = new Set<(difference: Difference<T>) => void>()
  let synced = false
  let tellSynced = () => {}
  const inSync = new Promise<void>((resolve) => {
    tellSynced = resolve
  })
  const run = async () => {
    for await (const update of store.follow(range, signal)) {
      if (update.kind === 'lost') log.warn({ err: update.error, range: range.prefix }, 'lost sight of the store')
      const differences = bringUpToDate(entries, update)
      if (synced) for (const difference of differences) for (const tell of listeners) tell(difference)
      if (update.kind !== 'snapshot') continue
      synced = true
      tellSynced()
    }
  }
  run().catch((error: unknown) => {
    log.error({ err: error, range: range.prefix }, 'following the store ended')
    // Nobody catches it: the process ends, rather than that it serves what is out of date.
    throw error
  })
  return {
    entries,
    inSync,
    onDifference(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
