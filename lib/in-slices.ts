/** Long computations beside other work. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds for which one keeps the others waiting, beside what its last step takes. */
const slice = 10

/**
 * Takes the steps to their end, and lets others run in between. A step is what
 * happens between two `yield`s.
 * @throws what a step throws; the signal's reason when it aborts.
 */
export async function inSlices<T>(steps: Iterator<unknown, T>, signal?: AbortSignal): Promise<T> {
  for (let begun = performance.now(); ; ) {
    const { done, value } = steps.next()
    if (done) return value
    if (performance.now() - begun < slice) continue
    await nextTurn()
    signal?.throwIfAborted()
    begun = performance.now()
  }
}
