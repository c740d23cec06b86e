/** Brings a link's settings in line; what is right already is not touched. */
import { OverlayError } from '../../lib/errors.ts'
import { familyOf } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import { deleteAddress, dumpAddresses } from './addresses.ts'
import { differing, forwarding, isHeldBack, makesAddresses, type Setting } from './link-settings.ts'
import {
  changeBridgePort,
  changeLink,
  changeLinkInfo,
  findLink,
  findLinkByIndex,
  type Link,
  type LinkSettings,
} from './links.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import type { Ownership } from './ownership.ts'
import { IN6_ADDR_GEN_MODE_NONE } from './rtnetlink.ts'

export interface Wanted {
  readonly mac: Mac
  readonly mtu: number
  /** Index of the bridge; absent for a bridge. */
  readonly master?: number
  /** Attributes of the kind. */
  readonly info?: readonly Setting[]
  /** Attributes as a port of the bridge. */
  readonly port?: readonly Setting[]
}

/** All but the alias. A link goes up when all else is set, so that nothing leaks before. @throws OverlayError */
export function settleLink(socket: NetlinkSocket, found: Link, wanted: Wanted): void {
  const { mac, mtu, master, info = [], port = [] } = wanted
  const link = settleMtu(socket, found, mtu)
  const moves = master !== undefined && master !== link.master
  const basics: LinkSettings = {
    ...(mac === link.mac ? {} : { mac }),
    ...(moves ? { master } : {}),
    ...(link.arp ? {} : { arp: true as const }),
  }
  if (Object.keys(basics).length > 0) changeLink(socket, link, basics)
  // One by one, in their order: what may be set can depend on what was set before.
  for (const change of differing(link.info, info)) changeLinkInfo(socket, link, [change])
  const portChanges = moves ? port : differing(link.port, port)
  if (portChanges.length > 0) changeBridgePort(socket, link, portChanges)
  if (!moves && isHeldBack(link)) changeBridgePort(socket, link, [forwarding])
  if (makesAddresses(link)) quieten(socket, link)
  if (!link.up) changeLink(socket, link, { up: true })
}

/**
 * Sets the MTU. Below 1280 bytes a link loses its IPv6, and when it grows it gets
 * it with the kernel's own settings.
 * @returns the link as it is then.
 * @throws OverlayError
 */
export function settleMtu(socket: NetlinkSocket, link: Link, mtu: number): Link {
  if (link.mtu === mtu) return link
  changeLink(socket, link, { mtu })
  return findLinkByIndex(socket, link.index) ?? { ...link, mtu }
}

/** The kernel gives the link no address of its own any more; what it gave it goes. @throws OverlayError */
export function quieten(socket: NetlinkSocket, link: Link): void {
  changeLink(socket, link, { addrGenMode: IN6_ADDR_GEN_MODE_NONE })
  if (!link.up) return
  const given = dumpAddresses(socket).filter((one) => {
    return one.index === link.index && one.linkLocal && familyOf(one.address) === 6
  })
  socket.batch(given.map(({ address, prefix }) => deleteAddress(link.index, address, prefix, link.name)))
}

/** The last step: from now on the link says whose it is, and that it is whole. @throws OverlayError */
export function markLink(socket: NetlinkSocket, link: Link, alias: string): void {
  if (link.alias !== alias) changeLink(socket, link, { alias })
}

/** A bridge of ours. @throws OverlayError `not_found`, or `already_exists` when it is not ours */
export function ownBridge(socket: NetlinkSocket, owned: Ownership, name: string): Link {
  const bridge = findLink(socket, name)
  if (!bridge) throw new OverlayError('not_found', `there is no bridge ${name}`)
  owned.claim(bridge, 'bridge')
  return bridge
}

/** Of the bridge that a port is to be in. @throws as `ownBridge` */
export function bridgeIndex(socket: NetlinkSocket, owned: Ownership, name: string): number {
  return ownBridge(socket, owned, name).index
}
