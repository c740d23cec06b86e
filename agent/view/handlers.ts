/** What the view does with the updates of each range that it follows. */
import { parseIp } from '../../lib/ip.ts'
import type { Endpoint, Network, Node } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Entry, Store } from '../../store/store.ts'
import type { Key } from '../state/key.ts'
import { readEndpoint, readNetwork } from './records.ts'
import type { View } from './view.ts'
import type { Withheld } from './withheld.ts'

export interface Handler<T> {
  /** Paths that the view has, to find what a snapshot lacks. */
  readonly known: () => Iterable<string>
  readonly put: (entry: Entry<T>) => void
  readonly remove: (path: string) => void
  readonly seen?: (revision: number) => void
}

export interface HandlerOptions {
  readonly store: Store
  readonly view: View
  readonly onDirty: (keys: readonly Key[]) => void
  /** Maybe nothing here needs this network any more: then it is to be unfollowed, in its turn. */
  readonly onUnneeded: (network: string) => void
  readonly onOwnNode: (entry: Entry<Node> | undefined) => void
}

export function nodeHandler({ store, view, onDirty, onOwnNode }: HandlerOptions): Handler<Node> {
  const ownPath = store.keys.node(view.self.node).path
  // Registered before this began: if the first snapshot lacks it, the node was evicted in between.
  const nodes = new Set([ownPath])
  return {
    known: () => nodes,
    put(entry) {
      nodes.add(entry.path)
      if (entry.path === ownPath) onOwnNode(entry)
      onDirty(view.setNode(entry.value.name, parseIp(entry.value.vtepAddress)))
    },
    remove(path) {
      nodes.delete(path)
      if (path === ownPath) onOwnNode(undefined)
      onDirty(view.setNode(partsBelow(store.keys.nodes, path)[0] ?? '', undefined))
    },
  }
}

export interface NetworkNews {
  /** The network's endpoints are to be followed. */
  readonly follow: (network: string) => void
  readonly seen: (revision: number) => void
}

export function networkHandler(
  { store, view, onDirty, onUnneeded }: HandlerOptions,
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
    put,
    remove(path) {
      const name = partsBelow(keys.networks, path)[0] ?? ''
      // Only an empty network can be removed: with endpoints of ours it cannot be true.
      if (view.hasLiveEndpoint(name)) return withheld.addNetwork(name)
      onDirty(view.removeNetwork(name))
      onUnneeded(name)
    },
    seen,
  }
}

export function endpointHandler(
  { store, view, onDirty, onUnneeded }: HandlerOptions,
  withheld: Withheld,
  network: string,
): Handler<Endpoint> {
  const range = store.keys.endpoints(network)
  return {
    known: () => Array.from(view.endpoints(network), ({ id }) => store.keys.endpoint(network, id).path),
    put: (entry) => {
      const endpoint = readEndpoint(entry)
      withheld.endpointSettled(endpoint.id)
      onDirty(view.setEndpoint(endpoint))
    },
    remove: (path) => {
      const endpoint = view.endpoint(network, partsBelow(range, path)[0] ?? '')
      if (!endpoint) return
      if (!withheld.isProven(endpoint)) return withheld.addEndpoint(endpoint)
      onDirty(view.removeEndpoint(network, endpoint.id))
      // An evicted one: nobody detaches it, and so asks what is left.
      if (endpoint.node === view.self.node) onUnneeded(network)
    },
    seen: (revision) => view.seenUpTo(network, revision),
  }
}
