/** How soon after the faults all must be clean, and what is said where it was not. */
import { type Operation, operationText } from './operations.ts'

/** In milliseconds on the run's clock. */
export interface Heal {
  /** When the faults were over. */
  readonly healed: number
  /** When the last of the clients' calls was answered, or given up: nothing is looked at before. */
  readonly answered: number
}

/** What the last call has left, a change to be undone for example, has so long. */
const settling = 3_000

/**
 * The bound counts from the heal, whoever still waits for an answer then: that
 * he waits is part of what is to be over. Only where he waits nearly as long as
 * the bound, what his call has left has some time of its own.
 */
export function dueAt({ healed, answered }: Heal, bound: number): number {
  return Math.max(healed + bound, answered + settling)
}

/** The calls that were still under way after the heal, as lines; none where they did not keep the first look waiting. */
export function waitedFor({ healed, answered }: Heal, operations: readonly Operation[]): readonly string[] {
  const late = operations.filter(({ end }) => end > healed)
  if (late.length === 0) return []
  const wait = ((answered - healed) / 1000).toFixed(1)
  return [`the first look came ${wait} s after the faults, when these had been answered:`, ...late.map(operationText)]
}
