/** The agent's picture of the store. Every change answers with the keys that it makes dirty. */
import { familyOf, type Ip } from '../../lib/ip.ts'
import { isPluggable } from '../plan.ts'
import { endpointKey, hostKey, type Key, networkKey } from '../state/key.ts'
import type { EndpointView, NetworkView, PlanView, Self } from '../state/view.ts'
import { Members } from './members.ts'
import { Nodes } from './nodes.ts'

export class View implements PlanView {
  #self: Self
  readonly #nodes = new Nodes()
  readonly #networks = new Map<string, NetworkView>()
  readonly #members = new Map<string, Members>()
  readonly #openIntents = new Set<string>()
  readonly #vanished = new Set<string>()
  readonly #onGone: (endpoint: EndpointView) => void

  /** `onGone` is told of each endpoint of a followed network that goes. */
  constructor(self: Self, onGone: (endpoint: EndpointView) => void = () => undefined) {
    this.#self = self
    this.#onGone = onGone
  }

  get self(): Self {
    return this.#self
  }

  /** What may change of this host while its agent runs. Everything is planned anew. */
  setSelf(change: Partial<Pick<Self, 'vtep' | 'underlayMtu' | 'generation'>>): readonly Key[] {
    this.#self = { ...this.#self, ...change }
    return this.keys()
  }

  network(name: string): NetworkView | undefined {
    return this.#networks.get(name)
  }

  networks(): Iterable<NetworkView> {
    return this.#networks.values()
  }

  endpoint(network: string, id: string): EndpointView | undefined {
    return this.#members.get(network)?.get(id)
  }

  /** All endpoints of a followed network. */
  endpoints(network: string): Iterable<EndpointView> {
    return this.#members.get(network)?.all() ?? []
  }

  /** The id of the endpoint that has this address. */
  ownerOf(network: string, address: Ip): string | undefined {
    return this.#members.get(network)?.ownerOf(address)
  }

  /** Own endpoints, of one network or of all. */
  *localEndpoints(network?: string): Iterable<EndpointView> {
    const all = network === undefined ? [...this.#members.values()] : [this.#members.get(network)]
    for (const members of all) yield* members?.local() ?? []
  }

  vtepOf(node: string): Ip | undefined {
    return this.#nodes.vtepOf(node)
  }

  /** The VTEP addresses of the other nodes. */
  otherVteps(): readonly Ip[] {
    return this.#nodes.vtepsBeside(this.self.node)
  }

  hasOpenIntent(endpointId: string): boolean {
    return this.#openIntents.has(endpointId)
  }

  isVanished(endpointId: string): boolean {
    return this.#vanished.has(endpointId)
  }

  hasNetwork(name: string): boolean {
    return this.#networks.get(name)?.eager || this.hasLiveEndpoint(name)
  }

  /** A local endpoint of it is to be plugged in. */
  hasLiveEndpoint(network: string): boolean {
    for (const endpoint of this.#members.get(network)?.local() ?? [])
      if (isPluggable(this.self, endpoint) && !this.#openIntents.has(endpoint.id)) return true
    return false
  }

  hasAnyNetwork(): boolean {
    for (const name of this.#members.keys()) if (this.hasNetwork(name)) return true
    for (const { eager } of this.#networks.values()) if (eager) return true
    return false
  }

  floodTargets(network: string): Iterable<Ip> {
    const { vtep: own } = this.self
    const others = [...(this.#members.get(network)?.otherNodes() ?? [])]
    const vteps = others.flatMap((node) => this.vtepOf(node) ?? [])
    // VXLAN has one underlay family per device; and what is sent to oneself would come back as another's.
    return new Set(vteps.filter((vtep) => vtep !== own && familyOf(vtep) === familyOf(own)))
  }

  /** Every key that there is something to plan for. */
  keys(): readonly Key[] {
    const endpoints = [...this.#members.values()].flatMap((members) => Array.from(members.all(), keyOf))
    return [hostKey, ...[...this.#networks.keys()].map(networkKey), ...endpoints]
  }

  setNode(name: string, vtep: Ip | undefined): readonly Key[] {
    if (!this.#nodes.setVtep(name, vtep)) return []
    const flooded = [...this.#members].filter(([network, members]) => members.hasOn(name) && this.#floods(network))
    return [...flooded.map(([network]) => networkKey(network)), ...Array.from(this.#nodes.endpointsOn(name), keyOf)]
  }

  /**
   * Whether it is another network in the place of one with live endpoints here:
   * only an empty one can be removed and made again, so one of the two is wrong.
   */
  contradicts({ name, uid }: NetworkView): boolean {
    const known = this.#networks.get(name)
    return known !== undefined && known.uid !== uid && this.hasLiveEndpoint(name)
  }

  /** What is written of remote endpoints depends on the VNI alone, which names the devices. */
  setNetwork(network: NetworkView): readonly Key[] {
    const { name } = network
    const before = this.#networks.get(name)
    if (before && before.modRevision >= network.modRevision) return []
    return this.#withPresence(name, () => {
      this.#networks.set(name, network)
      const concerned = before?.vni === network.vni ? this.localEndpoints(name) : this.endpoints(name)
      return [networkKey(name), ...Array.from(concerned, keyOf)]
    })
  }

  removeNetwork(name: string): readonly Key[] {
    if (!this.#networks.has(name)) return []
    return this.#withPresence(name, () => {
      this.#networks.delete(name)
      return [networkKey(name), ...this.#endpointKeys(name)]
    })
  }

  /**
   * All that is known is of another history of the store: whatever the store says
   * of it from now on is newer. What lives here was not made before this node.
   */
  rebase(): void {
    for (const [name, network] of this.#networks) this.#networks.set(name, { ...network, modRevision: -1 })
    for (const members of this.#members.values()) {
      members.forgetRemoved()
      const known = Array.from(members.all())
      for (const before of known) {
        const after = { ...before, createRevision: Number.MAX_SAFE_INTEGER, modRevision: -1 }
        members.put(after)
        this.#nodes.put(after, before)
      }
    }
  }

  /** From now on the network's endpoints are followed. */
  follow(network: string): void {
    if (!this.#members.has(network)) this.#members.set(network, new Members(this.self.node))
  }

  /** The network's endpoints are followed no more. */
  unfollow(network: string): readonly Key[] {
    const keys = this.#endpointKeys(network)
    for (const endpoint of this.endpoints(network)) this.#nodes.delete(endpoint)
    this.#members.delete(network)
    return [hostKey, networkKey(network), ...keys]
  }

  /** Older than what is known, or removed by ourselves since: passed over. */
  setEndpoint(endpoint: EndpointView): readonly Key[] {
    const members = this.#members.get(endpoint.network)
    const before = members?.get(endpoint.id)
    if (!members || members.wasRemoved(endpoint.id)) return []
    if (before && before.modRevision >= endpoint.modRevision) return []
    return this.#withPresence(endpoint.network, () => {
      const kept = endpoint.node === this.self.node ? endpoint : this.#nodes.remote(endpoint)
      const others = members.put(kept)
      this.#nodes.put(kept, before)
      return this.#changed(kept, others)
    })
  }

  /**
   * One that we wrote ourselves. Undefined: the watch was faster than the store's
   * answer, and has told its end, too; only an eviction does that.
   */
  setWritten(endpoint: EndpointView): readonly Key[] | undefined {
    const { network, id, modRevision } = endpoint
    if (!this.endpoint(network, id) && this.hasSeen(network, modRevision)) return undefined
    return this.setEndpoint(endpoint)
  }

  /**
   * The endpoint is gone. `ownAt` is the revision at which we removed it
   * ourselves: what the watch still tells of earlier revisions is passed over.
   */
  removeEndpoint(network: string, id: string, ownAt?: number): readonly Key[] {
    const members = this.#members.get(network)
    if (ownAt !== undefined) members?.removeAt(id, ownAt)
    const before = members?.get(id)
    if (!members || !before) return []
    return this.#withPresence(network, () => {
      const others = members.delete(before)
      this.#onGone(before)
      this.#nodes.delete(before)
      return this.#changed(before, others)
    })
  }

  /** The watch of the network's endpoints has told everything up to `revision`. */
  seenUpTo(network: string, revision: number): void {
    this.#members.get(network)?.seenUpTo(revision)
  }

  /** Whether it has: what was written by then and is not here is gone. */
  hasSeen(network: string, revision: number): boolean {
    return this.#members.get(network)?.hasSeen(revision) ?? false
  }

  setOpenIntent(network: string, endpointId: string, open: boolean): readonly Key[] {
    return this.#withPresence(network, () => {
      if (open) this.#openIntents.add(endpointId)
      else this.#openIntents.delete(endpointId)
      return [endpointKey(network, endpointId)]
    })
  }

  /** The network stays, with what else is on it. */
  setVanished(network: string, endpointId: string, vanished: boolean): readonly Key[] {
    if (vanished) this.#vanished.add(endpointId)
    else this.#vanished.delete(endpointId)
    return [endpointKey(network, endpointId)]
  }

  /** Adds what else is dirty when the change gives or takes the network to or from this host. */
  #withPresence(network: string, change: () => readonly Key[]): readonly Key[] {
    const before = this.hasNetwork(network)
    const keys = change()
    if (this.hasNetwork(network) === before) return keys
    return [hostKey, networkKey(network), ...keys, ...this.#endpointKeys(network)]
  }

  /** What an endpoint's change makes dirty; `others`: it gave the network to another node, or took it. */
  #changed(endpoint: EndpointView, others: boolean): readonly Key[] {
    const { network } = endpoint
    return others && this.#floods(network) ? [networkKey(network), keyOf(endpoint)] : [keyOf(endpoint)]
  }

  #floods(network: string): boolean {
    return this.#networks.get(network)?.multicast ?? false
  }

  #endpointKeys(network: string): readonly Key[] {
    return Array.from(this.endpoints(network), keyOf)
  }
}

function keyOf({ network, id }: EndpointView): Key {
  return endpointKey(network, id)
}
