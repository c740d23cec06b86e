/** Plugging that is begun while the claim is under way: the two take about as long. */
import type { Endpoint } from '../../proto/index.ts'
import { planVeth } from '../plan.ts'
import type { NetworkView } from '../state/view.ts'
import { readEndpoint } from '../view/records.ts'
import type { EndpointParts } from './parts.ts'

export interface Ahead {
  /** Begins with an endpoint, in place of the one before. Whether it could does not matter: the plugging tells. */
  begin(network: NetworkView, endpoint: Endpoint): void
  /** Takes back what was begun. */
  giveUp(): void
}

export function createAhead({ kernel, view, log }: Pick<EndpointParts, 'kernel' | 'view' | 'log'>): Ahead {
  let begun: string | undefined
  const giveUp = () => {
    const name = begun
    begun = undefined
    if (name !== undefined) kernel.abandon(name)
  }
  return {
    giveUp,
    begin(network, record) {
      giveUp()
      const { sandbox, ...endpoint } = readEndpoint({ value: record, createRevision: 0, modRevision: 0 })
      // The first endpoint of a network has no bridge yet.
      if (!sandbox || !view.hasNetwork(network.name)) return
      const veth = planVeth(view.self, network, { ...endpoint, sandbox })
      try {
        kernel.prepare(veth)
        begun = veth.name
      } catch (error) {
        log.debug({ err: error, endpoint: record.id }, 'could not be plugged in ahead')
      }
    },
  }
}
