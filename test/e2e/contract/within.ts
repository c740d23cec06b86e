/** How fast something comes back: told, and held loosely, because no test may depend on how busy a machine is. */
import { until } from '../../lab/until.ts'

/** So many times what the contract promises is waited for. */
const looseness = 4

export interface Promised {
  /** The line of the contract and what is waited for, for example `P6 h1 is READY again`. */
  readonly what: string
  /** What the contract promises. */
  readonly seconds: number
  /** Counted from then, of `performance.now()`, both what is told and what is waited for; default: now. */
  readonly since?: number
}

/**
 * Waits until `condition` holds, and prints `P6 h1 is READY again: 1.2 s of 5 s`.
 * A condition that throws does not hold yet; it is looked at once, however late it is.
 * @throws Error when it does not hold in several times of what is promised.
 */
export async function within<T>(promised: Promised, condition: () => T | Promise<T>): Promise<T> {
  const { what, seconds, since = performance.now() } = promised
  const value = await until(async () => ({ of: await condition() }), {
    what,
    deadline: Infinity,
    hopeless: () => (secondsSince(since) > seconds * looseness ? tooLate(seconds) : undefined),
  })
  tell(what, since, seconds)
  return value.of
}

/** The same for what is over when it resolves, such as the start of a daemon. */
export async function timed<T>({ what, seconds }: Promised, action: () => Promise<T>): Promise<T> {
  const started = performance.now()
  const value = await action()
  tell(what, started, seconds)
  if (secondsSince(started) > seconds * looseness) throw new Error(`${what}: ${tooLate(seconds)}`)
  return value
}

function tooLate(seconds: number): string {
  return `not within ${seconds * looseness} s, ${looseness} times of what is promised`
}

function tell(what: string, started: number, seconds: number): void {
  console.log(`${what}: ${secondsSince(started).toFixed(1)} s of ${seconds} s`)
}

function secondsSince(moment: number): number {
  return (performance.now() - moment) / 1_000
}
