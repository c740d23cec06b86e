/** How a look reaches the store and the hosts. */
import { OverlayError } from '../../lib/errors.ts'
import { inSlices } from '../../lib/in-slices.ts'
import type { LinkAddresses } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Entry, Key, Store } from '../../store/store.ts'
import type { IpamParts } from './check.ts'
import { claimsOf, claimText } from './claims.ts'
import type { Sight } from './diagnose.ts'

/** For one look at any number of suspicions: each node is asked once. */
export function sightBy(parts: IpamParts, signal: AbortSignal): Sight {
  const asked = new Map<string, Promise<readonly LinkAddresses[]>>()
  const { store } = parts
  const { keys } = store
  const shared = new Map<string, Promise<Entry<unknown> | undefined>>()
  const firsts = new Map<string, Promise<ReadonlyMap<string, string>>>()
  const lastNodes = new Map<string, Promise<ReadonlyMap<string, ReadonlySet<string>>>>()
  const isShared = ({ path }: Key<unknown>) =>
    path.startsWith(keys.networks.prefix) || path.startsWith(keys.nodes.prefix)
  return {
    store,
    reader: {
      get<T>(key: Key<T>) {
        // As another type it is another record.
        if (key.type === null || !isShared(key)) return store.get(key)
        const entry = shared.get(key.path) ?? store.get(key)
        shared.set(key.path, entry)
        return entry as Promise<Entry<T> | undefined>
      },
    },
    now: Date.now(),
    firstWith(network, claim) {
      const first = firsts.get(network) ?? firstsOf(store, network)
      firsts.set(network, first)
      return first.then((paths) => paths.get(claimText(claim)))
    },
    async lastNodesOf(network, endpointId) {
      const nodes = lastNodes.get(network) ?? nodesNamedIn(store, network)
      lastNodes.set(network, nodes)
      return [...((await nodes).get(endpointId) ?? [])]
    },
    linksOf(node, network) {
      const key = `${node}/${network}`
      const answer = asked.get(key) ?? askLinks(parts, node, network, signal)
      asked.set(key, answer)
      return answer
    },
  }
}

/** By what endpoints have: the path of the one that was made first. */
async function firstsOf(store: Store, network: string): Promise<ReadonlyMap<string, string>> {
  const { entries } = await store.list(store.keys.endpoints(network))
  function* index() {
    const paths = new Map<string, string>()
    for (const { path, value } of entries.toSorted((a, b) => a.createRevision - b.createRevision)) {
      yield
      for (const claim of claimsOf(value)) if (!paths.has(claimText(claim))) paths.set(claimText(claim), path)
    }
    return paths
  }
  return inSlices(index())
}

/** By endpoint: the nodes that keys of the network name for it. */
async function nodesNamedIn(store: Store, network: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { keys } = store
  const [addresses, placements] = await Promise.all([
    store.list(keys.addresses(network)),
    store.paths(keys.allPlacements),
  ])
  function* index() {
    const nodes = new Map<string, Set<string>>()
    const note = (id: string, node: string) => {
      if (id !== '' && node !== '') nodes.set(id, (nodes.get(id) ?? new Set()).add(node))
    }
    for (const { value } of addresses.entries) {
      yield
      note(value.endpointId, value.node)
    }
    for (const path of placements.paths) {
      yield
      const [node = '', of, id = ''] = partsBelow(keys.allPlacements, path)
      if (of === network) note(id, node)
    }
    return nodes
  }
  return inSlices(index())
}

/** Milliseconds that an agent has to look at its links: one that hangs must not keep the rest from being looked at. */
const patience = 20_000

/**
 * What is on the links of a node; of all networks with an empty name.
 * @throws OverlayError `unavailable` when it cannot be asked; `deadline`; what its agent answers with.
 */
export async function askLinks(
  { links }: Pick<IpamParts, 'links'>,
  node: string,
  network: string,
  signal: AbortSignal,
): Promise<readonly LinkAddresses[]> {
  if (!links.isConnected(node))
    throw new OverlayError('unavailable', 'its agent has no connection to this controller (yet)')
  const enough = new AbortController()
  const giveUp = () => enough.abort()
  // AbortSignal.any and AbortSignal.timeout together may be collected as garbage before the time is up (Node 20).
  const timer = setTimeout(giveUp, patience)
  signal.addEventListener('abort', giveUp)
  if (signal.aborted) giveUp()
  const { linkAddresses } = await links.ask(node, { linkAddresses: { network } }, enough.signal).finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  })
  if (!linkAddresses) throw new OverlayError('internal', 'its agent answered another question than it was asked')
  return linkAddresses.links
}
