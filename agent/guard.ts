/**
 * Says whether the store may be believed when it takes something away. While
 * there is any doubt nothing is deleted, and the doubt is told.
 */
import type { Logger } from '../lib/log.ts'

/** What speaks against the store. */
export type Doubt = 'cluster' | 'history' | 'view' | `endpoint ${string}` | `network ${string}`

export interface Guard {
  /** Why nothing may be deleted; undefined when all is well. */
  reason(): string | undefined
  /** Why the store as a whole is not believed: then nothing that it says or lacks proves anything. */
  distrust(): string | undefined
  /** Whether the store is another cluster's: what is there is not even an older state of what should be. */
  isForeign(): boolean
  /** Notes a doubt, or with undefined takes it back. */
  set(doubt: Doubt, reason: string | undefined): void
}

/** `onChange` is called when the first doubt comes and when the last one goes. */
export function createGuard(log: Logger, onChange: () => void): Guard {
  const doubts = new Map<Doubt, string>()
  const distrust = () => doubts.get('cluster') ?? doubts.get('history') ?? doubts.get('view')
  return {
    reason: () => distrust() ?? doubts.values().next().value,
    distrust,
    isForeign: () => doubts.has('cluster'),
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
