/** What our devices are called, and how they say whose they are. */
import type { Vni } from '../../lib/vni.ts'
import type { AnyItem, ObservedItem } from './item.ts'
import { endpointKey, type Key, networkKey } from './key.ts'

export const bridgeName = (vni: Vni): string => `ovbr${vni}`
export const vxlanName = (vni: Vni): string => `ovvx${vni}`
/** 15 characters, the most that Linux takes. */
export const vethName = (endpointId: string): string => `ove${endpointId.slice(0, 12)}`

/** The alias of a network's devices, or, with an endpoint, of its veth. */
export function aliasOf(clusterUid: string, network: string, endpointId?: string): string {
  return ['overlay', clusterUid, network, ...(endpointId ? [endpointId] : [])].join('/')
}

/** The network and endpoint that an alias of this cluster names. */
export function readAlias(clusterUid: string, alias: string): { network: string; endpointId: string } | undefined {
  const [mark, cluster, network, endpointId = '', ...more] = alias.split('/')
  if (mark !== 'overlay' || cluster !== clusterUid || !network || more.length > 0) return undefined
  return { network, endpointId }
}

/** Whose work a device is, if its alias tells. */
export function ownerOf(clusterUid: string, item: AnyItem): Key | undefined {
  const mark = 'alias' in item ? readAlias(clusterUid, item.alias) : undefined
  if (!mark) return undefined
  return mark.endpointId ? endpointKey(mark.network, mark.endpointId) : networkKey(mark.network)
}

/** The endpoints that have an interface, by the aliases of what was observed. */
export function pluggedEndpoints(clusterUid: string, items: readonly ObservedItem[]) {
  return items.flatMap((item) => {
    const mark = item.kind === 'veth' ? readAlias(clusterUid, item.alias) : undefined
    return item.kind === 'veth' && mark?.endpointId ? [{ network: mark.network, id: mark.endpointId, item }] : []
  })
}
