/** How the lab waits: for a condition, with a deadline, never for a while. */
import { pause } from '../../lib/retry.ts'

export interface Waiting {
  /** What is waited for: the beginning of the error's message. */
  readonly what: string
  /** Milliseconds; default 10,000. */
  readonly deadline?: number
  /** Milliseconds between two looks; default 20. */
  readonly every?: number
  /** A reason to give up at once, for example that the process is dead. */
  readonly hopeless?: () => string | undefined
  /** Added to the error's message, for example the tail of a log. */
  readonly detail?: () => string
}

type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>

/**
 * Waits until `condition` gives something truthy, and gives that. A condition
 * that throws is one that does not hold yet; what it threw last is in the error.
 * @throws Error naming what was waited for, when the deadline has passed.
 */
export async function until<T>(condition: () => T | Promise<T>, waiting: Waiting): Promise<Truthy<T>> {
  const { what, deadline = 10_000, every = 20, hopeless, detail } = waiting
  const end = performance.now() + deadline
  for (;;) {
    let problem: unknown
    try {
      const value = await condition()
      if (value) return value as Truthy<T>
    } catch (error) {
      problem = error
    }
    const why = hopeless?.() ?? (performance.now() > end ? `not within ${deadline / 1000} s` : undefined)
    if (why !== undefined) {
      const last = problem instanceof Error ? problem.message : undefined
      const lines = [`${what}: ${why}`, last, detail?.()].filter((line) => line)
      throw new Error(lines.join('\n'), problem === undefined ? {} : { cause: problem })
    }
    await pause(every)
  }
}
