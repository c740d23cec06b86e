/**
 * Says whether the store may be believed when it takes something away. While
 * there is any doubt nothing is deleted, and the doubt is told.
 */
import type { Logger } from '../lib/log.ts'

/**
 * What speaks against the store. `others`: it is believed again, but other nodes
 * have not written back what it lost (see resync.ts).
 */
export type Doubt = 'cluster' | 'history' | 'view' | 'others' | `endpoint ${string}` | `network ${string}`

export interface Guard {
  /** Why the agent holds: it deletes and attaches nothing; undefined when all is well. */
  reason(): string | undefined
  /** Why nothing may be deleted: the same, or that other nodes are not resynced yet. */
  holdsBack(): string | undefined
  /** Why the store as a whole is not believed: then nothing that it says or lacks proves anything. */
  distrust(): string | undefined
  /** Whether the store is another cluster's: what is there is not even an older state of what should be. */
  isForeign(): boolean
  /** Whether the store is an older state of what it was: what it lacks may be, and what it has may be past. */
  wentBack(): boolean
  /** Whether what it lacks of other nodes may be all the same: it went back, and not all are resynced. */
  lacksOthers(): boolean
  /** Notes a doubt, or with undefined takes it back. */
  set(doubt: Doubt, reason: string | undefined): void
}

/** `onChange` is called when the first doubt comes and when the last one goes. */
export function createGuard(log: Logger, onChange: () => void): Guard {
  const doubts = new Map<Doubt, string>()
  const distrust = () => doubts.get('cluster') ?? doubts.get('history') ?? doubts.get('view')
  const reason = () => distrust() ?? [...doubts].find(([doubt]) => doubt !== 'others')?.[1]
  return {
    reason,
    holdsBack: () => reason() ?? doubts.get('others'),
    distrust,
    isForeign: () => doubts.has('cluster'),
    wentBack: () => doubts.has('history'),
    lacksOthers: () => doubts.has('history') || doubts.has('others'),
    set(doubt, reason) {
      if (doubts.get(doubt) === reason) return
      const before = doubts.size
      if (reason === undefined) doubts.delete(doubt)
      else doubts.set(doubt, reason)
      if (reason === undefined) log.info({ doubt }, 'doubt about the store is settled')
      else log.warn({ doubt, reason }, 'the store is in doubt: nothing will be deleted')
      if (before !== doubts.size && Math.min(before, doubts.size) === 0) onChange()
    },
  }
}
