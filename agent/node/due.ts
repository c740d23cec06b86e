/** Work that is done now and then, and at once when somebody says that it is due. */
import { pause } from '../../lib/retry.ts'

export interface Due {
  /** There is something to do. */
  readonly note: () => void
  /** From now on only what is noted later counts: to be called before the work begins. */
  readonly begin: () => void
  /** Waits until something is noted that was not begun, so many milliseconds at most, or until the signal aborts. */
  readonly wait: (milliseconds: number) => Promise<void>
}

export function createDue(signal: AbortSignal): Due {
  let isDue = true
  let wake = () => {}
  return {
    note() {
      isDue = true
      wake()
    },
    begin() {
      isDue = false
    },
    async wait(milliseconds) {
      if (isDue) return
      const woken = new AbortController()
      wake = () => woken.abort()
      await pause(milliseconds, signal, woken.signal)
    },
  }
}
