/** What the view does with the updates of each range that it follows. */
import { parseIp } from '../../lib/ip.ts'
import type { Endpoint, Network, Node } from '../../proto/index.ts'
import { partBelow, partsBelow } from '../../store/keys.ts'
import type { Entry, Revision, Store } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import type { Key } from '../state/key.ts'
import type { EndpointView } from '../state/view.ts'
import { readEndpoint, readNetwork } from './records.ts'
import type { View } from './view.ts'
import type { Withheld } from './withheld.ts'

export interface Handler<T> {
  /** Paths that the view has, to find what a snapshot lacks. */
  readonly known: () => Iterable<string>
  /** Whether the view keeps what a snapshot lacks: the store is known to have lost more than this host. */
  readonly keeps: (path: string) => boolean
  readonly put: (entry: Entry<T>) => void
  readonly remove: (path: string) => void
  readonly seen?: (revision: number) => void
}

export interface HandlerOptions {
  readonly store: Store
  readonly view: View
  readonly guard: Pick<Guard, 'wentBack' | 'lacksOthers'>
  readonly onDirty: (keys: readonly Key[]) => void
  /** Maybe nothing here needs this network any more: then it is to be unfollowed, in its turn. */
  readonly onUnneeded: (network: string) => void
  readonly onOwnNode: (entry: Entry<Node> | undefined) => void
}

export interface NodeHandler extends Handler<Node> {
  /** The other nodes whose records were not written after that revision. */
  readonly notWrittenSince: (revision: Revision) => readonly string[]
  /** See View.rebase. */
  readonly rebase: () => void
}

export function nodeHandler({ store, view, guard, onDirty, onOwnNode }: HandlerOptions): NodeHandler {
  const ownPath = store.keys.node(view.self.node).path
  // Registered before this began: if the first snapshot lacks it, the node was evicted in between.
  const nodes = new Map([[ownPath, 0]])
  return {
    known: () => nodes.keys(),
    keeps: (path) => path !== ownPath && guard.lacksOthers(),
    notWrittenSince: (revision) =>
      [...nodes].flatMap(([path, writtenAt]) =>
        path === ownPath || writtenAt > revision ? [] : partsBelow(store.keys.nodes, path),
      ),
    rebase() {
      for (const path of nodes.keys()) nodes.set(path, 0)
    },
    put(entry) {
      // An older address than the one that was seen leads nowhere.
      if (guard.wentBack() && entry.path !== ownPath && nodes.has(entry.path)) return
      nodes.set(entry.path, entry.modRevision)
      if (entry.path === ownPath) onOwnNode(entry)
      onDirty(view.setNode(entry.value.name, parseIp(entry.value.vtepAddress)))
    },
    remove(path) {
      nodes.delete(path)
      if (path === ownPath) onOwnNode(undefined)
      const name = partBelow(store.keys.nodes, path)
      if (name !== undefined) onDirty(view.setNode(name, undefined))
    },
  }
}

export interface NetworkNews {
  /** The network's endpoints are to be followed. */
  readonly follow: (network: string) => void
  readonly seen: (revision: number) => void
}

export function networkHandler(
  { store, view, guard, onDirty, onUnneeded }: HandlerOptions,
  withheld: Withheld,
  { follow, seen }: NetworkNews,
): Handler<Network> {
  const { keys } = store
  const put = (entry: Entry<Network>) => {
    const network = readNetwork(entry)
    const { name } = network
    if (view.contradicts(network)) return withheld.addNetwork(name, () => put(entry))
    const before = view.network(name)
    onDirty(view.setNetwork(network))
    withheld.networkReturned(name)
    if (view.network(name)?.eager) follow(name)
    // Removed, and made again otherwise.
    else if (before?.eager) onUnneeded(name)
  }
  return {
    known: () => Array.from(view.networks(), ({ name }) => keys.network(name).path),
    keeps: () => guard.wentBack(),
    put,
    remove(path) {
      const name = partBelow(keys.networks, path)
      if (name === undefined) return
      // Only an empty network can be removed: with endpoints of ours it cannot be true.
      if (view.hasLiveEndpoint(name)) return withheld.addNetwork(name)
      onDirty(view.removeNetwork(name))
      onUnneeded(name)
    },
    seen,
  }
}

export function endpointHandler(
  { store, view, guard, onDirty, onUnneeded }: HandlerOptions,
  withheld: Withheld,
  network: string,
): Handler<Endpoint> {
  const range = store.keys.endpoints(network)
  const known = (path: string) => view.endpoint(network, partBelow(range, path) ?? '')
  /** Of what an older store has: it was detached here since, or its address is that of another one that lives. */
  const isPast = (path: string, { node, addresses }: EndpointView) =>
    !known(path) && (node === view.self.node || addresses.some((ip) => view.ownerOf(network, ip) !== undefined))
  return {
    known: () => Array.from(view.endpoints(network), ({ id }) => store.keys.endpoint(network, id).path),
    keeps: (path) => guard.wentBack() || (guard.lacksOthers() && known(path)?.node !== view.self.node),
    put: (entry) => {
      const endpoint = readEndpoint(entry)
      if (guard.wentBack() && isPast(entry.path, endpoint)) return
      withheld.endpointSettled(endpoint.id)
      onDirty(view.setEndpoint(endpoint))
    },
    remove: (path) => {
      const endpoint = known(path)
      if (!endpoint) return
      if (!withheld.isProven(endpoint)) return withheld.addEndpoint(endpoint)
      onDirty(view.removeEndpoint(network, endpoint.id))
      // An evicted one: nobody detaches it, and so asks what is left.
      if (endpoint.node === view.self.node) onUnneeded(network)
    },
    seen: (revision) => view.seenUpTo(network, revision),
  }
}
