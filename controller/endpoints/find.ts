/** One endpoint, by its id, the beginning of one, or its name. */
import { OverlayError } from '../../lib/errors.ts'
import { isName } from '../../lib/names.ts'
import { quote } from '../../lib/quote.ts'
import { couldBeUid } from '../../lib/reference.ts'
import type { Endpoint } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Range, Store } from '../../store/store.ts'
import { readEach } from '../read-each.ts'

/** How many candidates a refusal names. */
const named = 5
/** In more networks than these all keys together are read sooner than some of each. */
const fewNetworks = 100

/**
 * In one network, or in all: then it costs a short read or two for each, because
 * endpoints are kept by network, or, with many networks, one of all keys.
 * @throws OverlayError `not_found`; `invalid` when it can be neither, or is the
 * beginning, or the name, of several, which are named.
 */
export async function findEndpoint(store: Store, reference: string, network?: string): Promise<Endpoint> {
  if (!isName(reference))
    throw new OverlayError(
      'invalid',
      `${quote(reference)} is neither an endpoint id nor a name: give its 32 hex digits, or the first of them, or its name`,
    )
  const networks = network === undefined ? await everyNetwork(store) : [network]
  const { keys } = store
  const search = async <R>(
    range: Range<unknown>,
    fits: (end: string) => boolean,
    read: (network: string) => Promise<R>,
  ) => readEach(networks.length > fewNetworks ? await networksBelow(store, range, fits) : networks, read)
  const [byId, byName] = await Promise.all([
    couldBeUid(reference)
      ? search(
          keys.allEndpoints,
          (id) => id.startsWith(reference),
          (each) => beginningWith(store, each, reference),
        )
      : [],
    search(
      keys.allNames,
      (name) => name === reference,
      (each) => withName(store, each, reference),
    ),
  ])
  const called = byName.filter((endpoint) => endpoint !== undefined)
  const found = [...called, ...byId.flat().filter(({ id }) => !called.some((other) => other.id === id))]
  if (found.length === 0)
    throw new OverlayError('not_found', `there is no endpoint ${reference}: see "overlayctl endpoint ls"`)
  return onlyOne(found, reference)
}

async function everyNetwork(store: Store): Promise<readonly string[]> {
  const { entries } = await store.list(store.keys.networks)
  return entries.map(({ value }) => value.name)
}

/** The networks in whose part of the range a key ends so. */
async function networksBelow(
  store: Store,
  range: Range<unknown>,
  fits: (end: string) => boolean,
): Promise<readonly string[]> {
  const { paths } = await store.paths(range)
  const found = paths.flatMap((path) => {
    const [network = '', end = ''] = partsBelow(range, path)
    return fits(end) ? [network] : []
  })
  return [...new Set(found)]
}

async function beginningWith(store: Store, network: string, id: string): Promise<readonly Endpoint[]> {
  const range = store.keys.endpoints(network)
  const beginning: Range<Endpoint> = { ...range, prefix: range.prefix + id }
  return (await store.page(beginning, { limit: named + 1 })).entries.map((entry) => entry.value)
}

async function withName(store: Store, network: string, name: string): Promise<Endpoint | undefined> {
  const { keys } = store
  const id = (await store.get(keys.name(network, name)))?.value.endpointId
  return id === undefined ? undefined : (await store.get(keys.endpoint(network, id)))?.value
}

function onlyOne([only, ...others]: readonly Endpoint[], reference: string): Endpoint {
  if (only && others.length === 0) return only
  const all = only ? [only, ...others] : []
  const list = all
    .slice(0, named)
    .map(({ id, name, network, node }) => `${id} (${name && `${name}, `}${network}, on ${node})`)
  const more = all.length > named ? ' and more' : ''
  throw new OverlayError(
    'invalid',
    `${reference} may be several endpoints, by name or the beginning of their ids: ${list.join(', ')}${more}; give more of the id`,
  )
}
