/** Long work beside other work: others run in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds for which one keeps the others waiting, beside what its last piece takes. */
const slice = 5

/** To be called between two pieces of the work; it waits only when the slice is over. */
export function takeTurns(): () => Promise<void> | undefined {
  let begun = performance.now()
  return () => {
    if (performance.now() - begun < slice) return undefined
    return nextTurn().then(() => {
      begun = performance.now()
    })
  }
}

/**
 * Takes the steps to their end, and lets others run in between. A step is what
 * happens between two `yield`s.
 * @throws what a step throws; the signal's reason when it aborts.
 */
export async function inSlices<T>(steps: Iterator<unknown, T>, signal?: AbortSignal): Promise<T> {
  const turn = takeTurns()
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    const waited = turn()
    if (!waited) continue
    await waited
    signal?.throwIfAborted()
  }
}
