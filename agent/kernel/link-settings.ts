/** How each kind of link of ours is set up, beyond what an item tells. */
import type { Difference } from '../state/item.ts'
import { type Attributes, bytes, type PlainAttribute, readU8, u8, u32 } from './attributes.ts'
import { readIp } from './byte-addresses.ts'
import type { Link } from './links.ts'
import {
  BR_STATE_FORWARDING,
  IFLA_BR_FORWARD_DELAY,
  IFLA_BR_GROUP_FWD_MASK,
  IFLA_BR_MCAST_SNOOPING,
  IFLA_BR_STP_STATE,
  IFLA_BR_VLAN_FILTERING,
  IFLA_BRPORT_BCAST_FLOOD,
  IFLA_BRPORT_ISOLATED,
  IFLA_BRPORT_LEARNING,
  IFLA_BRPORT_LOCKED,
  IFLA_BRPORT_MCAST_FLOOD,
  IFLA_BRPORT_MCAST_TO_UCAST,
  IFLA_BRPORT_MODE,
  IFLA_BRPORT_NEIGH_SUPPRESS,
  IFLA_BRPORT_PROXYARP,
  IFLA_BRPORT_PROXYARP_WIFI,
  IFLA_BRPORT_STATE,
  IFLA_BRPORT_UNICAST_FLOOD,
  IFLA_VXLAN_DF,
  IFLA_VXLAN_GROUP,
  IFLA_VXLAN_GROUP6,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_TOS,
  IFLA_VXLAN_TTL,
  IN6_ADDR_GEN_MODE_NONE,
} from './rtnetlink.ts'

/** An attribute that is a number or an address, and its name as `ip -d link` and `bridge -d link` have it. */
export interface Setting extends PlainAttribute {
  readonly name: string
}

/**
 * A port forwards from the start: no spanning tree, no delay (which cannot be 0
 * with a spanning tree), and no snooping to hold frames back. Entries are for all
 * VLANs.
 */
export const bridgeInfo: readonly Setting[] = [
  set('stp_state', u32(IFLA_BR_STP_STATE, 0)),
  set('forward_delay', u32(IFLA_BR_FORWARD_DELAY, 0)),
  set('mcast_snooping', u8(IFLA_BR_MCAST_SNOOPING, 0)),
]

/** As a bridge has them when it is made; some kernels cannot do it and refuse to be asked for it. */
const bridgeDefaults: readonly Setting[] = [
  set('vlan_filtering', u8(IFLA_BR_VLAN_FILTERING, 0)),
  set('group_fwd_mask', bytes(IFLA_BR_GROUP_FWD_MASK, new Uint8Array(2))),
]

export const bridgeSettings: readonly Setting[] = [...bridgeInfo, ...bridgeDefaults]

const remote = 'remote'

/** Nothing is learned: every entry is written by us. */
export const vxlanInfo: readonly Setting[] = [set('learning', u8(IFLA_VXLAN_LEARNING, 0))]

/** As a VXLAN device has them when it is made; a `remote` is where frames for unknown MACs would go. */
const vxlanDefaults: readonly Setting[] = [
  set(remote, bytes(IFLA_VXLAN_GROUP, new Uint8Array(4))),
  set(remote, bytes(IFLA_VXLAN_GROUP6, new Uint8Array(16))),
  set('dev', u32(IFLA_VXLAN_LINK, 0)),
  set('ttl', u8(IFLA_VXLAN_TTL, 0)),
  set('tos', u8(IFLA_VXLAN_TOS, 0)),
  set('df', u8(IFLA_VXLAN_DF, 0)),
]

export const vxlanSettings: readonly Setting[] = [...vxlanInfo, ...vxlanDefaults]

/**
 * To other hosts goes only what is for a known MAC, and what is for all if it
 * `floods`; ARP and ND are answered here in either case.
 */
export function vxlanPort(floods: boolean): readonly Setting[] {
  return floods ? floodingPort : silentPort
}

/** Whether a VXLAN device's port floods: told by broadcast, with which multicast must agree. */
export function isFlooding({ port }: Link): boolean {
  return readU8(port.get(IFLA_BRPORT_BCAST_FLOOD)) === 1
}

/** As a port has them when it is added. */
const portDefaults: readonly Setting[] = [
  set('hairpin', u8(IFLA_BRPORT_MODE, 0)),
  set('proxy_arp', u8(IFLA_BRPORT_PROXYARP, 0)),
  set('proxy_arp_wifi', u8(IFLA_BRPORT_PROXYARP_WIFI, 0)),
  set('mcast_to_unicast', u8(IFLA_BRPORT_MCAST_TO_UCAST, 0)),
  set('locked', u8(IFLA_BRPORT_LOCKED, 0)),
]

const silentPort = remotePort(0)
const floodingPort = remotePort(1)

function remotePort(floods: 0 | 1): readonly Setting[] {
  return [
    set('learning', u8(IFLA_BRPORT_LEARNING, 0)),
    set('flood', u8(IFLA_BRPORT_UNICAST_FLOOD, 0)),
    set('mcast_flood', u8(IFLA_BRPORT_MCAST_FLOOD, floods)),
    set('bcast_flood', u8(IFLA_BRPORT_BCAST_FLOOD, floods)),
    set('neigh_suppress', u8(IFLA_BRPORT_NEIGH_SUPPRESS, 1)),
    set('isolated', u8(IFLA_BRPORT_ISOLATED, 0)),
    ...portDefaults,
  ]
}

/** Broadcast and multicast stay among local ports; unicast goes where it is for. */
export const vethPort: readonly Setting[] = [
  set('learning', u8(IFLA_BRPORT_LEARNING, 0)),
  set('flood', u8(IFLA_BRPORT_UNICAST_FLOOD, 0)),
  set('mcast_flood', u8(IFLA_BRPORT_MCAST_FLOOD, 1)),
  set('bcast_flood', u8(IFLA_BRPORT_BCAST_FLOOD, 1)),
  set('neigh_suppress', u8(IFLA_BRPORT_NEIGH_SUPPRESS, 0)),
  set('isolated', u8(IFLA_BRPORT_ISOLATED, 0)),
  ...portDefaults,
]

export const forwarding: Setting = set('state', u8(IFLA_BRPORT_STATE, BR_STATE_FORWARDING))

/** A port that could forward, if its bridge is up, and was told not to. */
export function isHeldBack({ port, up, carrier }: Link): boolean {
  return up && carrier && differing(port, [forwarding]).length > 0
}

/** What differs. An attribute that this kernel does not have, or that is not set, cannot. */
export function differing(actual: Attributes, wanted: readonly Setting[]): Setting[] {
  return wanted.filter(({ type, value }) => {
    const found = actual.get(type)
    return found !== undefined && !found.equals(value)
  })
}

/** Whether the kernel would give the link addresses of its own. A link without IPv6 has none. */
export function makesAddresses({ addrGenMode }: Link): boolean {
  return addrGenMode !== undefined && addrGenMode !== IN6_ADDR_GEN_MODE_NONE
}

/** Whether a workload on that bridge could give the host a default route (CVE-2020-13401). */
export function acceptsRouters({ acceptRa }: Link): boolean {
  return acceptRa !== undefined && acceptRa !== 0
}

/** What of a link of ours is not as it is made, that no field of its item tells. `bridge`: which it is a port of. */
export function faultsOf(link: Link, bridge?: Link): Difference[] {
  return [
    ...(link.up ? [] : [{ what: 'state', wanted: 'up', found: 'down' }]),
    ...(link.arp ? [] : [{ what: 'arp', wanted: 'on', found: 'off' }]),
    ...(makesAddresses(link) ? [{ what: 'addr_gen_mode', wanted: 'none', found: String(link.addrGenMode) }] : []),
    ...faultsOfKind(link, bridge?.up ?? false),
  ]
}

function faultsOfKind(link: Link, forwards: boolean): Difference[] {
  const { info, port } = link
  switch (link.kind) {
    case 'bridge':
      return [
        ...(acceptsRouters(link) ? [{ what: 'accept_ra', wanted: '0', found: String(link.acceptRa) }] : []),
        ...faultsIn(info, bridgeSettings),
      ]
    case 'vxlan':
      return [...faultsIn(info, vxlanSettings), ...faultsIn(port, wantedPort(vxlanPort(isFlooding(link))))]
    default:
      return faultsIn(port, wantedPort(vethPort))
  }

  function wantedPort(settings: readonly Setting[]): readonly Setting[] {
    return forwards && isHeldBack(link) ? [...settings, forwarding] : settings
  }
}

function faultsIn(actual: Attributes, wanted: readonly Setting[]): Difference[] {
  return differing(actual, wanted).map(({ name, type, value }) => ({
    what: name,
    wanted: valueText(name, value),
    found: valueText(name, actual.get(type)),
  }))
}

function valueText(name: string, value: Uint8Array = new Uint8Array()): string {
  const buffer = Buffer.from(value)
  if (name !== remote) return String(buffer.readUIntLE(0, Math.min(buffer.length, 4)))
  return buffer.some((byte) => byte !== 0) ? String(readIp(buffer) ?? '') : 'none'
}

function set(name: string, attribute: PlainAttribute): Setting {
  return { name, ...attribute }
}
