/** The journal of who held an address: written with the claim, completed with the release. */
import type { Ip } from '../../lib/ip.ts'
import type { Init, Tenure } from '../../proto/index.ts'
import type { Keys } from '../../store/keys.ts'
import { put, type Write } from '../../store/store.ts'

/** What a tenure tells of its endpoint. */
export interface Holder {
  readonly id: string
  readonly network: string
  readonly name: string
  readonly node: string
  readonly mac: string
  readonly addresses: readonly Ip[]
  /** RFC 3339, in UTC. Empty: made before there was a journal. */
  readonly createdAt: string
}

/** One record per address. Written whole each time, so that the end is told also where the beginning was trimmed. */
export function tenureWrites(keys: Keys, holder: Holder, end: Pick<Init<Tenure>, 'releasedAt' | 'end'> = {}): Write[] {
  const { id: endpointId, network, name, node, mac, addresses, createdAt: claimedAt } = holder
  if (!claimedAt) return []
  return addresses.map((address) =>
    put(keys.tenure(network, address, claimedAt, endpointId), {
      address,
      endpointId,
      name,
      node,
      mac,
      claimedAt,
      ...end,
    }),
  )
}
