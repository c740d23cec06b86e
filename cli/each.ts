/** Commands that take several names, or several networks from a file. */
import { CallError } from './connect.ts'
import type { Context } from './context.ts'

/**
 * Does the work for each name, once for one that is given more often, one after
 * another, goes on past refusals and tells of them. Stops when the user
 * interrupts or nobody answers.
 * @returns the results of those that succeeded.
 */
export async function forEachName<N, T>(
  context: Context,
  names: readonly N[],
  work: (name: N) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  for (const name of new Set(names)) {
    try {
      results.push(await work(name))
    } catch (error) {
      if (context.signals.interrupted.aborted) throw error
      context.report(error)
      if (error instanceof CallError && error.reached !== 'answered') break
    }
  }
  return results
}
