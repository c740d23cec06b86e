/** What a running agent does time and again, whether anything happens or not. */
import { pause } from '../lib/retry.ts'
import type { Repairs } from './drift/repairs.ts'
import type { EndpointParts } from './endpoint/parts.ts'

/** How often the whole kernel is compared with the whole plan, in milliseconds. */
const auditInterval = 60_000
/** How often it is looked which endpoints have been without their sandboxes for long enough, in milliseconds. */
const vanishedInterval = 1_000
/** How often what the next run has to know is written, if there is anything new, in milliseconds. */
const memoryInterval = 1_000
/** How often it is told what was mended too often to be told at once, in milliseconds. */
const repairsInterval = 1_000

/** Until the agent is stopped. `remember` writes what the next run has to know; it throws nothing. */
export function makeRounds(parts: EndpointParts, repairs: Pick<Repairs, 'tick'>, remember: () => void): void {
  const { reconciler, vanished, signal } = parts
  every(auditInterval, signal, () => reconciler.audit().catch(() => undefined))
  every(vanishedInterval, signal, () => vanished.releaseDue())
  every(memoryInterval, signal, async () => remember())
  every(repairsInterval, signal, async () => repairs.tick())
}

function every(milliseconds: number, signal: AbortSignal, action: () => Promise<void>): void {
  const loop = async () => {
    while (!signal.aborted) {
      await pause(milliseconds, signal)
      if (!signal.aborted) await action()
    }
  }
  void loop()
}
