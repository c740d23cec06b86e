/** Endpoints in pages: all, those of a network, those on a node. */
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import type { ListEndpointsRequest, ListEndpointsResponse } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Entry, Store } from '../../store/store.ts'
import { placementsOf } from '../networks/placements.ts'
import { findNetwork } from '../networks/reference.ts'
import { findNode } from '../nodes/reference.ts'
import { pageOptions, pageToken } from '../paging.ts'
import { readEach } from '../read-each.ts'
import { Refusals } from '../refusals.ts'

/** @throws OverlayError `invalid`; `not_found` when there is no such network or node. */
export async function listEndpoints(store: Store, request: ListEndpointsRequest): Promise<ListEndpointsResponse> {
  const faults = new Faults()
  if (request.network) faults.try('network', () => parseName(request.network))
  if (request.node) faults.try('node', () => parseName(request.node))
  faults.throwIfAny()
  const refusals = new Refusals()
  const [network, node] = await refusals.both(
    nameOf(request.network && findNetwork(store, request.network)),
    nameOf(request.node && findNode(store, request.node)),
  )
  if (network === undefined || node === undefined) throw refusals.error()
  const named = { ...request, network, node }
  return node ? listPlaced(store, named) : listPlain(store, named)
}

/** Empty when none was asked for. */
async function nameOf(found: Promise<Entry<{ name: string }>> | ''): Promise<string> {
  return found && (await found).value.name
}

async function listPlain(store: Store, request: ListEndpointsRequest): Promise<ListEndpointsResponse> {
  const range = request.network ? store.keys.endpoints(request.network) : store.keys.allEndpoints
  const page = await store.page(range, pageOptions(range, request))
  return { endpoints: page.entries.map((entry) => entry.value), nextPageToken: pageToken(range, page.next) }
}

/** Through the index of a node's endpoints. One that is being removed may be missing from its page. */
async function listPlaced(store: Store, request: ListEndpointsRequest): Promise<ListEndpointsResponse> {
  const { keys } = store
  const all = keys.placements(request.node)
  const range = request.network ? placementsOf(store, request.node, request.network) : all
  const page = await store.page(range, pageOptions(range, request))
  const entries = await readEach(page.entries, ({ path }) => {
    const [network = '', id = ''] = partsBelow(all, path)
    return store.get(keys.endpoint(network, id))
  })
  const endpoints = entries.filter((entry) => entry !== undefined).map((entry) => entry.value)
  return { endpoints, nextPageToken: pageToken(range, page.next) }
}
