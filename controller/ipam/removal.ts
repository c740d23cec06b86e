/** Takes an endpoint away whose node is no more. */
import type { Endpoint } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import { type Entry, remove, type Store } from '../../store/store.ts'
import type { Change } from './change.ts'
import { claimKey, claimsOf } from './claims.ts'
import type { Evidence } from './evidence.ts'
import { type End, endTenureOf } from './tenures.ts'

/**
 * What removes the endpoint with all keys that name it as the owner; not those
 * that name another. With two addresses it reads eight keys at most and writes
 * eight; `resting` is another two.
 */
export async function removalOf(store: Store, evidence: Evidence, entry: Entry<Endpoint>, end: End): Promise<Change> {
  const { keys } = store
  const [network = '', id = ''] = partsBelow(keys.allEndpoints, entry.path)
  const endpoint = { ...entry.value, network, id }
  const { node } = endpoint
  const claims = claimsOf(endpoint)
  const owners = await Promise.all(claims.map((claim) => evidence.get(claimKey(keys, network, claim))))
  const owned = claims.filter((_, at) => owners[at]?.value.endpointId === id)
  const ips = owned.flatMap((claim) => (claim.kind === 'address' ? [claim.subject] : []))
  // The journal of a network that is no more is no more. It cannot go while it has this endpoint.
  const isThere = await store.get<null>({ path: keys.network(network).path, type: null })
  const tenures = isThere ? ips.map((ip) => endTenureOf(store, evidence, endpoint, ip, end)) : []
  return {
    writes: [
      remove(keys.placement(node, network, id)),
      remove({ path: entry.path, type: null }),
      ...owned.map((claim) => remove(claimKey(keys, network, claim))),
      ...(await Promise.all(tenures)).flat(),
    ],
    resting: ips.map((ip) => ({ network, ip, node })),
  }
}
