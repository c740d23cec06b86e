/** Changes that commit only if nothing came between: one after the other, and tried anew. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { retry } from '../../lib/retry.ts'

/** How often a change starts anew because one of another controller came between. */
const attempts = 60
const backoff = { first: 4, most: 150 }

/** Runs `attempt` until it throws no `conflict`. */
export type InTurn = <T>(attempt: () => Promise<T>, signal: AbortSignal) => Promise<T>

/**
 * Those of one controller take turns, because of several that race only one
 * goes through.
 */
export function inOrder(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (attempt, signal) => {
    const mine = last.then(() => untilCommitted(attempt, signal))
    last = mine.catch(() => undefined)
    return mine
  }
}

async function untilCommitted<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw new OverlayError('deadline', 'the caller gave up before it was done: nothing was changed')
  let tried = 0
  return retry(attempt, {
    signal,
    backoff,
    worthwhile: (error) => hasCode(error, 'conflict') && ++tried < attempts,
  })
}
