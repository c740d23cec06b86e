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
 * goes through. When the store fails one, those that wait by then are refused,
 * too: each would wait for the store in its turn, and the last for minutes.
 */
export function inOrder(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  let joined = 0
  let failure: { readonly of: OverlayError; readonly upTo: number } | undefined
  return (attempt, signal) => {
    const number = ++joined
    const mine = last.then(() => {
      if (failure && number <= failure.upTo) throw notBegun(failure.of)
      return untilCommitted(attempt, signal)
    })
    last = mine.catch((error: unknown) => {
      if (hasCode(error, 'unavailable') && number > (failure?.upTo ?? 0)) failure = { of: error, upTo: joined }
    })
    return mine
  }
}

function notBegun(before: OverlayError): OverlayError {
  return new OverlayError('unavailable', `not begun, because the change before it failed: ${before.message}`, {
    cause: before,
  })
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
