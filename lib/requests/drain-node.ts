/** What is wrong with the drain of a node by itself. */
import type { Faults } from '../faults.ts'

/** Characters: every claim that is refused on the node tells it. */
const longestReason = 500

export function checkReason(faults: Faults, reason: string): void {
  if (reason.length > longestReason)
    faults.add(`reason: ${reason.length} characters; at most ${longestReason} are kept`)
}
