/** How each kind of link of ours is set up, beyond what an item tells. */
import { type Attribute, type Attributes, readU8, u8, u32 } from './attributes.ts'
import type { Link } from './links.ts'
import {
  IFLA_BR_FORWARD_DELAY,
  IFLA_BR_MCAST_SNOOPING,
  IFLA_BR_STP_STATE,
  IFLA_BRPORT_BCAST_FLOOD,
  IFLA_BRPORT_ISOLATED,
  IFLA_BRPORT_LEARNING,
  IFLA_BRPORT_MCAST_FLOOD,
  IFLA_BRPORT_NEIGH_SUPPRESS,
  IFLA_BRPORT_UNICAST_FLOOD,
  IFLA_VXLAN_LEARNING,
  IN6_ADDR_GEN_MODE_NONE,
} from './rtnetlink.ts'

/**
 * A port forwards from the start: no spanning tree, no delay (which cannot be 0
 * with a spanning tree), and no snooping to hold frames back.
 */
export const bridgeInfo: readonly Attribute[] = [
  u32(IFLA_BR_STP_STATE, 0),
  u32(IFLA_BR_FORWARD_DELAY, 0),
  u8(IFLA_BR_MCAST_SNOOPING, 0),
]

/** Nothing is learned: every entry is written by us. */
export const vxlanInfo: readonly Attribute[] = [u8(IFLA_VXLAN_LEARNING, 0)]

/**
 * To other hosts goes only what is for a known MAC, and what is for all if it
 * `floods`; ARP and ND are answered here in either case.
 */
export function vxlanPort(floods: boolean): readonly Attribute[] {
  return floods ? floodingPort : silentPort
}

/** Whether a VXLAN device's port floods: told by broadcast, with which multicast must agree. */
export function isFlooding({ port }: Link): boolean {
  return readU8(port.get(IFLA_BRPORT_BCAST_FLOOD)) === 1
}

const silentPort = remotePort(0)
const floodingPort = remotePort(1)

function remotePort(floods: 0 | 1): readonly Attribute[] {
  return [
    u8(IFLA_BRPORT_LEARNING, 0),
    u8(IFLA_BRPORT_UNICAST_FLOOD, 0),
    u8(IFLA_BRPORT_MCAST_FLOOD, floods),
    u8(IFLA_BRPORT_BCAST_FLOOD, floods),
    u8(IFLA_BRPORT_NEIGH_SUPPRESS, 1),
    u8(IFLA_BRPORT_ISOLATED, 0),
  ]
}

/** Broadcast and multicast stay among local ports; unicast goes where it is for. */
export const vethPort: readonly Attribute[] = [
  u8(IFLA_BRPORT_LEARNING, 0),
  u8(IFLA_BRPORT_UNICAST_FLOOD, 0),
  u8(IFLA_BRPORT_MCAST_FLOOD, 1),
  u8(IFLA_BRPORT_BCAST_FLOOD, 1),
  u8(IFLA_BRPORT_NEIGH_SUPPRESS, 0),
  u8(IFLA_BRPORT_ISOLATED, 0),
]

/** What differs. An attribute that this kernel does not have cannot. */
export function differing(actual: Attributes, wanted: readonly Attribute[]): Attribute[] {
  return wanted.filter(({ type, value }) => {
    const found = actual.get(type)
    return found !== undefined && value instanceof Uint8Array && !found.equals(value)
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

/** Whether the link has all settings that no field of its item tells. */
export function isAsMade(link: Link): boolean {
  if (!link.up || makesAddresses(link)) return false
  switch (link.kind) {
    case 'bridge':
      return !acceptsRouters(link) && differing(link.info, bridgeInfo).length === 0
    case 'vxlan':
      return (
        differing(link.info, vxlanInfo).length === 0 && differing(link.port, vxlanPort(isFlooding(link))).length === 0
      )
    default:
      return differing(link.port, vethPort).length === 0
  }
}
