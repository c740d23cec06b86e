/**
 * What a host's kernel holds for us, object by object. `plan` says which items
 * there should be, the kernel which there are, `diff` compares the two.
 */
import type { Ip } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import type { Vni } from '../../lib/vni.ts'

/** A network's bridge, `ovbr<vni>`. */
export interface Bridge {
  readonly kind: 'bridge'
  readonly name: string
  readonly mac: Mac
  /** Bytes. */
  readonly mtu: number
  readonly alias: string
}

/** A network's VXLAN device, `ovvx<vni>`, a port of its bridge. */
export interface Vxlan {
  readonly kind: 'vxlan'
  readonly name: string
  readonly mac: Mac
  readonly mtu: number
  readonly alias: string
  readonly bridge: string
  readonly vni: Vni
  /** The source address of what it sends. */
  readonly local: Ip
  /** UDP destination port. */
  readonly port: number
  /** Broadcast and multicast frames leave by it (see FloodEntry): a multicast network. */
  readonly floods: boolean
}

/** A local endpoint's veth pair: one end a bridge port, the other in the sandbox. */
export interface Veth {
  readonly kind: 'veth'
  /** The host's end. */
  readonly name: string
  readonly mac: Mac
  readonly mtu: number
  readonly alias: string
  readonly bridge: string
  /** The other end. It is set up before the host's end gets its alias; later MTU and addresses are kept as they are here. */
  readonly inside: SandboxInterface
}

/** Where to find a sandbox's namespace, and the cookie that tells whether it is the one. */
export interface SandboxPlace {
  readonly netns: string
  readonly cookie: string
}

export interface SandboxInterface extends SandboxPlace {
  readonly ifname: string
  readonly mac: Mac
  /** ADDRESS/PREFIX. */
  readonly addresses: readonly string[]
  /** Default routes, at most one of each family; none by an internal network. */
  readonly gateways: readonly Ip[]
  /** Which of the sandbox's endpoints has the default route: the one with the highest; from -500 to 500. */
  readonly gwPriority: number
}

/** The gateway's address on a bridge. */
export interface BridgeAddress {
  readonly kind: 'address'
  readonly dev: string
  readonly address: Ip
  readonly prefix: number
}

/** Bridge FDB: this MAC is behind this port (a local endpoint's veth). */
export interface PortEntry {
  readonly kind: 'port-entry'
  readonly dev: string
  readonly mac: Mac
}

/** Bridge FDB and VXLAN FDB: this MAC is behind that VTEP. */
export interface RemoteEntry {
  readonly kind: 'remote-entry'
  readonly dev: string
  readonly mac: Mac
  readonly vtep: Ip
}

/** VXLAN FDB: broadcast and multicast frames go to that VTEP, too (the entry of the all-zero MAC). */
export interface FloodEntry {
  readonly kind: 'flood-entry'
  readonly dev: string
  readonly vtep: Ip
}

/** The neighbour entry on a bridge from which it answers ARP and ND for a remote endpoint. */
export interface Neighbour {
  readonly kind: 'neighbour'
  readonly dev: string
  readonly address: Ip
  readonly mac: Mac
}

/**
 * What all networks of a host need. Our own nftables table: what leaves or enters a
 * bridge of ours, or reaches the host beside the gateway, is dropped. And room
 * in the kernel's neighbour tables.
 */
export interface Isolation {
  readonly kind: 'isolation'
}

/**
 * The exception for frames that stay on one bridge: an element of our own
 * table's set, and an accept rule in every foreign chain that would drop them.
 */
export interface BridgePass {
  readonly kind: 'bridge-pass'
  readonly bridge: string
}

export type Item =
  | Isolation
  | Bridge
  | Vxlan
  | BridgePass
  | BridgeAddress
  | Veth
  | PortEntry
  | RemoteEntry
  | FloodEntry
  | Neighbour

/** A veth as it can be seen from the host. */
export interface ObservedVeth {
  readonly kind: 'veth'
  readonly name: string
  readonly mac: string
  readonly mtu: number
  readonly alias: string
  readonly bridge: string
  /** The other end, as far as it could be looked at. */
  readonly inside?: ObservedInterface
}

export interface ObservedInterface {
  readonly ifname: string
  readonly up: boolean
  readonly mac: string
  readonly mtu: number
  /** ADDRESS/PREFIX, without link-local ones. */
  readonly addresses: readonly string[]
  /** Absent where they could not be looked at. */
  readonly routes?: InsideRoutes
}

/** Routes of a sandbox through our interface. */
export interface InsideRoutes {
  /** Destinations that it reaches without a gateway, ADDRESS/PREFIX. */
  readonly onLink: readonly string[]
  /** Default routes that are ours. */
  readonly defaults: readonly DefaultRoute[]
}

export interface DefaultRoute {
  readonly gateway: Ip
  readonly metric: number
  /** See SandboxInterface; absent when its metric stands for none. */
  readonly gwPriority?: number
}

/** One thing about an object that is not as it should be, in words for people: `mtu`, `1450`, `1400`. */
export interface Difference {
  readonly what: string
  readonly wanted: string
  readonly found: string
}

/**
 * An object as it was found. `faults`: it is ours, but a part of it is missing, or
 * is not as we make it, that no field tells: a put makes it whole, a delete removes
 * what is there. Never empty. A link that was never finished has an empty alias too.
 */
export type ObservedItem = (Exclude<Item, Veth> | ObservedVeth) & { readonly faults?: readonly Difference[] }

export type AnyItem = Item | ObservedItem

/** Identifies the kernel object: two items with one id cannot exist at once. */
export function itemId(item: AnyItem): string {
  switch (item.kind) {
    case 'isolation':
      return 'isolation'
    case 'bridge':
    case 'vxlan':
    case 'veth':
      return `link ${item.name}`
    case 'bridge-pass':
      return `bridge-pass ${item.bridge}`
    case 'address':
      return `address ${item.dev} ${item.address}`
    case 'port-entry':
    case 'remote-entry':
      return `fdb ${item.dev} ${item.mac}`
    case 'flood-entry':
      return `flood ${item.dev} ${item.vtep}`
    case 'neighbour':
      return `neighbour ${item.dev} ${item.address}`
  }
}

/** The link whose removal removes this item too. */
export function carrierOf(item: AnyItem): string | undefined {
  switch (item.kind) {
    case 'address':
    case 'port-entry':
    case 'remote-entry':
    case 'flood-entry':
    case 'neighbour':
      return item.dev
    case 'isolation':
    case 'bridge':
    case 'vxlan':
    case 'veth':
    case 'bridge-pass':
      return undefined
  }
}
