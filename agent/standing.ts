/** What controllers say of this node's certificate. */
import type { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'

export interface Standing {
  /** As ControllerLinksOptions.onRefused. */
  readonly onRefused: (address: string, why: OverlayError | undefined) => void
  /** For people. */
  readonly problems: () => readonly string[]
}

export function createStanding(log: Logger): Standing {
  const refusals = new Map<string, OverlayError>()
  return {
    onRefused(address, why) {
      const before = refusals.get(address)
      if (why) refusals.set(address, why)
      else refusals.delete(address)
      if (why && why.message !== before?.message)
        log.warn({ err: why, address }, 'a controller refuses this node: what is attached goes on')
    },
    problems: () =>
      Array.from(refusals, ([address, { message }]) => `controller ${address} refuses this node: ${message}`),
  }
}
