/** From a change in the kernel to an audit: soon, but with a bound on what it costs. */
import { pause } from '../../lib/retry.ts'

/** At least so long, in milliseconds, between an audit and the next. */
const leastPause = 200
/** The most of one core that audits may have for long: whoever changes things all the time shall not keep it busy. */
const mostShare = 1 / 10
/** So many milliseconds of audits may go ahead of that share: who changes something now and then is not to wait. */
const mostAhead = 2_000
/** However long the last one took, in milliseconds. */
const mostPause = 10_000

export interface AuditsOptions {
  /** @throws OverlayError when it left problems, which are tried again by other means. */
  readonly audit: () => Promise<void>
  readonly signal: AbortSignal
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number
  readonly wait?: (milliseconds: number) => Promise<void>
}

/**
 * To be called at each change, any number of times: the first is followed by an
 * audit at once, those after it by one more, when the pause is over.
 */
export function auditsAfterChanges(options: AuditsOptions): () => void {
  const { audit, signal, now = () => performance.now(), wait = (milliseconds) => pause(milliseconds, signal) } = options
  let isDue = false
  let running = false
  /** Milliseconds of audits that the share has left over, at the time `countedAt`. */
  let leftOver = mostAhead
  let countedAt = now()
  const run = async () => {
    while (isDue && !signal.aborted) {
      isDue = false
      const began = now()
      leftOver = Math.min(mostAhead, leftOver + (began - countedAt) * mostShare)
      countedAt = began
      // What failed is a problem of its key, and told there.
      await audit().catch(() => undefined)
      leftOver -= now() - began
      await wait(Math.min(mostPause, Math.max(leastPause, -leftOver / mostShare)))
    }
    running = false
  }
  return () => {
    isDue = true
    if (running) return
    running = true
    void run()
  }
}
