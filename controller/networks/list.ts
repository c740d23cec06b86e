/** Networks, in pages and one by one. */
import { OverlayError } from '../../lib/errors.ts'
import { parseName } from '../../lib/names.ts'
import type { ListNetworksRequest, ListNetworksResponse, Network } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { pageOptions, pageToken } from '../paging.ts'

/** By name; with each one's count of endpoints, if asked. */
export async function listNetworks(store: Store, request: ListNetworksRequest): Promise<ListNetworksResponse> {
  const { keys } = store
  const page = await store.page(keys.networks, pageOptions(keys.networks, request))
  const records = page.entries.map((entry) => entry.value)
  const networks = request.withStatus ? await Promise.all(records.map((network) => withCount(store, network))) : records
  return { networks, nextPageToken: pageToken(keys.networks, page.next) }
}

/**
 * With its endpoints and the nodes that they are on.
 * @throws OverlayError `not_found`
 */
export async function getNetwork(store: Store, name: string): Promise<Network> {
  parseName(name)
  const [network, listing] = await Promise.all([
    store.get(store.keys.network(name)),
    store.list(store.keys.endpoints(name)),
  ])
  if (!network) throw new OverlayError('not_found', `there is no network ${name}`)
  const endpoints = listing.entries.map((entry) => entry.value)
  const nodes = [...new Set(endpoints.map((endpoint) => endpoint.node))].toSorted()
  return { ...network.value, status: { endpointCount: endpoints.length, nodes, endpoints } }
}

async function withCount(store: Store, network: Network): Promise<Network> {
  const endpointCount = await store.count(store.keys.endpoints(network.name))
  return { ...network, status: { endpointCount, nodes: [], endpoints: [] } }
}
