/**
 * Says whether the store may be believed when it takes something away. While
 * there is any doubt nothing is deleted, and the doubt is told.
 */
import type { Logger } from '../lib/log.ts'

/** What speaks against the store. */
export type Doubt = 'cluster' | 'history' | `endpoint ${string}` | `network ${string}`

export interface Guard {
  /** Why nothing may be deleted; undefined when all is well. */
  reason(): string | undefined
  /** Notes a doubt, or with undefined takes it back. */
  set(doubt: Doubt, reason: string | undefined): void
  /** Takes back all doubts about endpoints and networks: their node was evicted. */
  settleEviction(): void
}

/** `onChange` is called when the first doubt comes and when the last one goes. */
export function createGuard(log: Logger, onChange: () => void): Guard {
  const doubts = new Map<Doubt, string>()
  const change = (action: () => void) => {
    const before = doubts.size > 0
    action()
    if (doubts.size > 0 !== before) onChange()
  }
  return {
    reason: () => doubts.values().next().value,
    set(doubt, reason) {
      if (doubts.get(doubt) === reason) return
      change(() => (reason === undefined ? doubts.delete(doubt) : doubts.set(doubt, reason)))
      if (reason === undefined) log.info({ doubt }, 'doubt about the store is settled')
      else log.warn({ doubt, reason }, 'the store is in doubt: nothing will be deleted')
    },
    settleEviction: () =>
      change(() => {
        for (const doubt of doubts.keys()) if (doubt !== 'cluster' && doubt !== 'history') doubts.delete(doubt)
      }),
  }
}
