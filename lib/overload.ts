/** What is too much is refused at once, and told when to come back. */
import { OverlayError } from './errors.ts'
import { delayBefore } from './retry.ts'

/** Milliseconds until who was refused should come back: jittered, so that they do not all come at once. */
const comeBack = { first: 3_000, most: 3_000 }

/**
 * The refusal of what is too much. `why` begins the message, which goes on with
 * what to do: `…: try again in 2.1 s`.
 */
export function overloaded(why: string): OverlayError {
  const retryAfter = Math.round(delayBefore(0, comeBack))
  return new OverlayError('unavailable', `${why}: try again in ${(retryAfter / 1000).toFixed(1)} s`, { retryAfter })
}

/** Counts what is in progress, and lets in no more than there is room for. */
export interface Gate {
  /**
   * @returns how to leave; more than once is once.
   * @throws OverlayError `unavailable`, with `retryAfter`, when it is full.
   */
  enter(): () => void
}

/** `what` are those that are counted, for example `calls`; `who` is the one that has them in progress. */
export function createGate(who: string, what: string, most: number): Gate {
  let inside = 0
  return {
    enter() {
      if (inside >= most) throw overloaded(`${who} has ${most} ${what} in progress and takes no more for now`)
      inside++
      let left = false
      return () => {
        if (!left) inside--
        left = true
      }
    },
  }
}
