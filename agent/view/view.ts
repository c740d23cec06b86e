/** The agent's picture of the store. Every change answers with the keys that it makes dirty. */
import type { Ip } from '../../lib/ip.ts'
import { isPluggable } from '../plan.ts'
import { endpointKey, hostKey, type Key, networkKey } from '../state/key.ts'
import type { EndpointView, NetworkView, PlanView, Self } from '../state/view.ts'

/** The endpoints of one network that is followed. */
interface Members {
  readonly byId: Map<string, EndpointView>
  readonly owners: Map<Ip, string>
  readonly local: Map<string, EndpointView>
  /** Own endpoints that we removed, until the watch has passed the removal. */
  readonly removed: Map<string, number>
}

export class View implements PlanView {
  readonly self: Self
  readonly #vteps = new Map<string, Ip>()
  readonly #networks = new Map<string, NetworkView>()
  readonly #members = new Map<string, Members>()
  /** Keys of the endpoints on each node: what a new VTEP address concerns. */
  readonly #keysByNode = new Map<string, Set<Key>>()
  readonly #openIntents = new Set<string>()

  constructor(self: Self) {
    this.self = self
  }

  network(name: string): NetworkView | undefined {
    return this.#networks.get(name)
  }

  networks(): Iterable<NetworkView> {
    return this.#networks.values()
  }

  endpoint(network: string, id: string): EndpointView | undefined {
    return this.#members.get(network)?.byId.get(id)
  }

  /** All endpoints of a followed network. */
  endpoints(network: string): Iterable<EndpointView> {
    return this.#members.get(network)?.byId.values() ?? []
  }

  /** The id of the endpoint that has this address. */
  ownerOf(network: string, address: Ip): string | undefined {
    return this.#members.get(network)?.owners.get(address)
  }

  /** Own endpoints, of one network or of all. */
  *localEndpoints(network?: string): Iterable<EndpointView> {
    const all = network === undefined ? [...this.#members.values()] : [this.#members.get(network)]
    for (const members of all) yield* members?.local.values() ?? []
  }

  vtepOf(node: string): Ip | undefined {
    return this.#vteps.get(node)
  }

  hasOpenIntent(endpointId: string): boolean {
    return this.#openIntents.has(endpointId)
  }

  hasNetwork(name: string): boolean {
    for (const endpoint of this.#members.get(name)?.local.values() ?? [])
      if (isPluggable(this.self, endpoint) && !this.#openIntents.has(endpoint.id)) return true
    return false
  }

  hasAnyNetwork(): boolean {
    for (const name of this.#members.keys()) if (this.hasNetwork(name)) return true
    return false
  }

  /** Every key that there is something to plan for. */
  keys(): readonly Key[] {
    const endpoints = [...this.#members].flatMap(([network, { byId }]) =>
      [...byId.keys()].map((id) => endpointKey(network, id)),
    )
    return [hostKey, ...[...this.#networks.keys()].map(networkKey), ...endpoints]
  }

  setNode(name: string, vtep: Ip | undefined): readonly Key[] {
    if (this.#vteps.get(name) === vtep) return []
    if (vtep) this.#vteps.set(name, vtep)
    else this.#vteps.delete(name)
    return [...(this.#keysByNode.get(name) ?? [])]
  }

  setNetwork(network: NetworkView): readonly Key[] {
    const before = this.#networks.get(network.name)
    if (before && before.modRevision >= network.modRevision) return []
    this.#networks.set(network.name, network)
    if (before?.vni !== network.vni) return [networkKey(network.name), ...this.#endpointKeys(network.name)]
    const local = this.#members.get(network.name)?.local.keys() ?? []
    return [networkKey(network.name), ...Array.from(local, (id) => endpointKey(network.name, id))]
  }

  removeNetwork(name: string): readonly Key[] {
    if (!this.#networks.delete(name)) return []
    return [networkKey(name), ...this.#endpointKeys(name)]
  }

  /** From now on the network's endpoints are followed. */
  follow(network: string): void {
    if (!this.#members.has(network))
      this.#members.set(network, { byId: new Map(), owners: new Map(), local: new Map(), removed: new Map() })
  }

  /** The network's endpoints are followed no more. */
  unfollow(network: string): readonly Key[] {
    const keys = this.#endpointKeys(network)
    for (const endpoint of this.endpoints(network)) this.#keysByNode.get(endpoint.node)?.delete(keyOf(endpoint))
    this.#members.delete(network)
    return [hostKey, networkKey(network), ...keys]
  }

  /** Older than what is known, or removed by ourselves since: passed over. */
  setEndpoint(endpoint: EndpointView): readonly Key[] {
    const members = this.#members.get(endpoint.network)
    const before = members?.byId.get(endpoint.id)
    if (!members || members.removed.has(endpoint.id)) return []
    if (before && before.modRevision >= endpoint.modRevision) return []
    return this.#withPresence(endpoint.network, () => {
      if (before) this.#forget(members, before)
      members.byId.set(endpoint.id, endpoint)
      for (const address of endpoint.addresses) members.owners.set(address, endpoint.id)
      if (endpoint.node === this.self.node) members.local.set(endpoint.id, endpoint)
      this.#keysOf(endpoint.node).add(keyOf(endpoint))
      return [keyOf(endpoint)]
    })
  }

  /**
   * The endpoint is gone. `ownAt` is the revision at which we removed it
   * ourselves: what the watch still tells of earlier revisions is passed over.
   */
  removeEndpoint(network: string, id: string, ownAt?: number): readonly Key[] {
    const members = this.#members.get(network)
    if (members && ownAt !== undefined) members.removed.set(id, ownAt)
    const before = members?.byId.get(id)
    if (!members || !before) return []
    return this.#withPresence(network, () => {
      this.#forget(members, before)
      return [keyOf(before)]
    })
  }

  /** The watch of the network's endpoints has told everything up to `revision`. */
  seenUpTo(network: string, revision: number): void {
    const removed = this.#members.get(network)?.removed ?? new Map<string, number>()
    for (const [id, at] of removed) if (at <= revision) removed.delete(id)
  }

  setOpenIntent(network: string, endpointId: string, open: boolean): readonly Key[] {
    return this.#withPresence(network, () => {
      if (open) this.#openIntents.add(endpointId)
      else this.#openIntents.delete(endpointId)
      return [endpointKey(network, endpointId)]
    })
  }

  /** Adds what else is dirty when the change gives or takes the network to or from this host. */
  #withPresence(network: string, change: () => readonly Key[]): readonly Key[] {
    const before = this.hasNetwork(network)
    const keys = change()
    if (this.hasNetwork(network) === before) return keys
    return [hostKey, networkKey(network), ...keys, ...this.#endpointKeys(network)]
  }

  #forget(members: Members, endpoint: EndpointView): void {
    members.byId.delete(endpoint.id)
    members.local.delete(endpoint.id)
    for (const address of endpoint.addresses)
      if (members.owners.get(address) === endpoint.id) members.owners.delete(address)
    this.#keysByNode.get(endpoint.node)?.delete(keyOf(endpoint))
  }

  #endpointKeys(network: string): readonly Key[] {
    return Array.from(this.endpoints(network), keyOf)
  }

  #keysOf(node: string): Set<Key> {
    const keys = this.#keysByNode.get(node) ?? new Set()
    this.#keysByNode.set(node, keys)
    return keys
  }
}

function keyOf({ network, id }: EndpointView): Key {
  return endpointKey(network, id)
}
