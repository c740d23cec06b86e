/** What the reader of a run sees: each step, and how long it took. */

/** Runs one and says how it ended. @throws what it threw. */
export type Step = <T>(title: string, action: () => Promise<T>) => Promise<T>

export function createStep(say: (line: string) => void): Step {
  return async (title, action) => {
    const begun = performance.now()
    const seconds = () => `${((performance.now() - begun) / 1_000).toFixed(1)} s`
    try {
      const result = await action()
      say(`  ok  ${title} (${seconds()})`)
      return result
    } catch (error) {
      say(`FAIL  ${title} (${seconds()})`)
      throw error
    }
  }
}
