/** Networks, in pages and one by one. */
import { inSlices } from '../../lib/in-slices.ts'
import { type Filters, parseFilters } from '../../lib/requests/filters.ts'
import type { GetNetworkRequest, ListNetworksRequest, ListNetworksResponse, Network } from '../../proto/index.ts'
import type { Range, Store } from '../../store/store.ts'
import { subnetUsage } from '../ipam/usage.ts'
import { findNode } from '../nodes/reference.ts'
import { pageOptions, pageToken } from '../paging.ts'
import { readEach } from '../read-each.ts'
import type { Warnings } from '../warnings/warnings.ts'
import { networksOn, nodesWith } from './placements.ts'
import { findNetwork } from './reference.ts'

/** Endpoints in one answer, unless asked for otherwise, and however many are asked for. */
const endpointsInAnswer = { usual: 1_000, most: 10_000 }

/**
 * By name; with each one's count of endpoints, if asked.
 * @throws OverlayError `invalid` with every fault of the filters; `not_found`
 * when one names a node that there is not.
 */
export async function listNetworks(store: Store, request: ListNetworksRequest): Promise<ListNetworksResponse> {
  const { keys } = store
  const filters = parseFilters(request.filters, new Date())
  const page = await store.page(keys.networks, pageOptions(keys.networks, request))
  const nodes = await Promise.all(filters.nodes.map(async (node) => (await findNode(store, node)).value.name))
  const there = nodes.length > 0 ? await networksOn(store, nodes) : undefined
  const records = page.entries
    .map((entry) => entry.value)
    .filter((network) => filters.fits(network) && (there?.has(network.name) ?? true))
  const fitting = await readEach(records, (network) => withCount(store, network, filters, request))
  return { networks: fitting.flat(), nextPageToken: pageToken(keys.networks, page.next) }
}

/**
 * With its first endpoints, the nodes that have it, the use of its subnets, and
 * what there is to warn of.
 * @throws OverlayError `not_found`
 */
export async function getNetwork(store: Store, warnings: Warnings, request: GetNetworkRequest): Promise<Network> {
  const network = (await findNetwork(store, request.name)).value
  const { name } = network
  const { keys } = store
  const limit = Math.min(request.maxEndpoints || endpointsInAnswer.usual, endpointsInAnswer.most)
  const [page, endpointCount, owned, released] = await Promise.all([
    store.page(keys.endpoints(name), { limit }),
    store.count(keys.endpoints(name)),
    addressesIn(store, keys.addresses(name)),
    addressesIn(store, keys.releasedAddresses(name)),
  ])
  const endpoints = page.entries.map((entry) => entry.value)
  const named = new Set(endpoints.map((endpoint) => endpoint.node))
  // An eager network is on every node, with endpoints or without.
  if (network.eager) for (const node of await allNodes(store)) named.add(node)
  else if (page.next !== undefined)
    for (const node of await nodesWith(store, name, await allNodes(store))) named.add(node)
  return {
    ...network,
    status: {
      endpointCount,
      nodes: [...named].toSorted(),
      endpoints,
      usage: await inSlices(subnetUsage(network, { owned, released })),
      warnings: warnings.of(name).map(({ message }) => message),
    },
  }
}

async function addressesIn(store: Store, range: Range<unknown>): Promise<readonly string[]> {
  const { paths } = await store.paths(range)
  return paths.map((path) => path.slice(range.prefix.length))
}

async function allNodes(store: Store): Promise<readonly string[]> {
  const { entries } = await store.list(store.keys.nodes)
  return entries.map(({ value }) => value.name)
}

/** None when it does not pass the filter by that count. */
async function withCount(
  store: Store,
  network: Network,
  { dangling }: Pick<Filters, 'dangling'>,
  { withStatus }: ListNetworksRequest,
): Promise<readonly Network[]> {
  const { name } = network
  if (dangling === undefined && !withStatus) return [network]
  const endpointCount = await store.count(store.keys.endpoints(name))
  if (dangling !== undefined && dangling !== (endpointCount === 0)) return []
  if (!withStatus) return [network]
  return [{ ...network, status: { endpointCount, nodes: [], endpoints: [], usage: [], warnings: [] } }]
}
