/** Who held an address, and when. */
import { Faults } from '../../lib/faults.ts'
import { parseIp } from '../../lib/ip.ts'
import { mapParallel } from '../../lib/parallel.ts'
import type { AddressHistoryRequest, AddressHistoryResponse } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { findNetwork } from '../networks/reference.ts'

/** Networks whose journal is read at a time. */
const networksAtOnce = 16

/**
 * The last one first, by the store's order of claims: the clocks of hosts may
 * differ. Without a network one short read for each that there is.
 * @throws OverlayError `invalid`; `not_found`, naming the network.
 */
export async function addressHistory(
  store: Store,
  { address, network }: AddressHistoryRequest,
): Promise<AddressHistoryResponse> {
  const { keys } = store
  const faults = new Faults()
  const ip = faults.try('address', () => parseIp(address))
  faults.throwIfAny()
  if (ip === undefined) return { tenures: [] }
  const networks = network === '' ? (await store.list(keys.networks)).entries : [await findNetwork(store, network)]
  const listings = await mapParallel(networks, networksAtOnce, async ({ value: { name } }) => {
    const { entries } = await store.list(keys.historyOf(name, ip))
    return entries.map((entry) => ({ entry, network: name }))
  })
  const tenures = listings
    .flat()
    .toSorted((a, b) => b.entry.createRevision - a.entry.createRevision)
    .map(({ entry, network }) => ({ network, tenure: entry.value }))
  return { tenures }
}
