/** What the store says, as far as it concerns this host: the input of `plan`. */
import type { Cidr, Ip } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import type { Vni } from '../../lib/vni.ts'

/** This host. */
export interface Self {
  readonly node: string
  readonly clusterUid: string
  readonly bootId: string
  readonly vtep: Ip
  /** MTU of the interface that has the VTEP address, in bytes. */
  readonly underlayMtu: number
  readonly vxlanPort: number
  /**
   * Create revision of the node's record; undefined while it is evicted. Endpoints
   * that are older were lost with the record before.
   */
  readonly generation: number | undefined
}

export interface SubnetView {
  readonly cidr: Cidr
  readonly gateway: Ip
  /** Where addresses are chosen from; undefined: all of the subnet. */
  readonly ipRange: Cidr | undefined
  /** Auxiliary addresses: nobody's endpoint. */
  readonly aux: ReadonlySet<Ip>
}

export interface NetworkView {
  readonly name: string
  readonly uid: string
  readonly vni: Vni
  readonly mtu: number
  readonly subnets: readonly SubnetView[]
  /** Sandboxes get no default route by it. */
  readonly internal: boolean
  /** Broadcast and multicast frames go to every host that has it. */
  readonly multicast: boolean
  /** Every host has it, with or without endpoints. */
  readonly eager: boolean
  /** Of its key in the store. */
  readonly modRevision: number
}

export interface SandboxView {
  readonly bootId: string
  readonly cookie: string
  readonly path: string
}

/** Of another host's endpoint only what is planned from is kept: nothing of its sandbox but whether it has one. */
export interface EndpointView {
  readonly id: string
  readonly network: string
  readonly node: string
  readonly mac: Mac
  readonly addresses: readonly Ip[]
  readonly ifname: string
  /** Undefined while it is unplugged. */
  readonly sandbox: SandboxView | undefined
  /** The endpoint's name in its network; empty if it has none. */
  readonly name: string
  readonly gwPriority: number
  readonly labels: Readonly<Record<string, string>>
  /** RFC 3339. */
  readonly createdAt: string
  readonly createRevision: number
  readonly modRevision: number
}

/** What `plan` asks. */
export interface PlanView {
  readonly self: Self
  network(name: string): NetworkView | undefined
  /** Of networks that this host follows. */
  endpoint(network: string, id: string): EndpointView | undefined
  /** The node's VTEP address, if the node is known. */
  vtepOf(node: string): Ip | undefined
  /** A local endpoint of it is to be plugged in, or it is eager. */
  hasNetwork(name: string): boolean
  /** VTEPs of the other nodes that have endpoints of a followed network, each once. */
  floodTargets(network: string): Iterable<Ip>
  /** Any network at all is on this host. */
  hasAnyNetwork(): boolean
  /** An own endpoint whose claim or release is not settled: to be ignored. */
  hasOpenIntent(endpointId: string): boolean
  /** An own endpoint whose sandbox is gone: it keeps its addresses for a while, and has no interface. */
  isVanished(endpointId: string): boolean
}
