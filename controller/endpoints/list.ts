/** Endpoints in pages: all, those of a network, those on a node. */
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import type { ListEndpointsRequest, ListEndpointsResponse } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Key, Store } from '../../store/store.ts'
import { pageOptions, pageToken } from '../paging.ts'

/** @throws OverlayError `not_found` when there is no such network or node. */
export async function listEndpoints(store: Store, request: ListEndpointsRequest): Promise<ListEndpointsResponse> {
  const { network, node } = request
  const faults = new Faults()
  if (network) faults.try('network', () => parseName(network))
  if (node) faults.try('node', () => parseName(node))
  faults.throwIfAny()
  if (network) await refuseUnknown(store, store.keys.network(network), `network ${network}`)
  if (node) await refuseUnknown(store, store.keys.node(node), `node ${node}`)
  return node ? listPlaced(store, request) : listPlain(store, request)
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
  const range = request.network ? { ...all, prefix: `${all.prefix}${request.network}/` } : all
  const page = await store.page(range, pageOptions(range, request))
  const entries = await Promise.all(
    page.entries.map(({ path }) => {
      const [network = '', id = ''] = partsBelow(all, path)
      return store.get(keys.endpoint(network, id))
    }),
  )
  const endpoints = entries.filter((entry) => entry !== undefined).map((entry) => entry.value)
  return { endpoints, nextPageToken: pageToken(range, page.next) }
}

async function refuseUnknown<T>(store: Store, key: Key<T>, what: string): Promise<void> {
  if (!(await store.get(key))) throw new OverlayError('not_found', `there is no ${what}`)
}
