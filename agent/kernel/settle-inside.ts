/** The end of a veth that is in a sandbox: set up when it is made, and kept so. */
import { OverlayError } from '../../lib/errors.ts'
import { cidrAt, familyOf, ipValue, parseIp } from '../../lib/ip.ts'
import { defaultRouteChanges } from '../state/differences.ts'
import type { SandboxInterface, Veth } from '../state/item.ts'
import { dumpAddresses, putAddress } from './addresses.ts'
import { addDefaultRoute, deleteDefaultRoute, dumpLinkRoutes } from './default-routes.ts'
import { farEnd } from './insides.ts'
import { makesAddresses } from './link-settings.ts'
import { changeLink, findLink, type Link } from './links.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { restoreOnLinkRoute } from './routes.ts'
import { type AddressWish, settleAddress } from './settle-address.ts'
import { quieten, settleMtu } from './settle-link.ts'

/** `socket`: in the sandbox. @throws OverlayError */
export function setUpInside(socket: NetlinkSocket, { inside, mtu }: Veth): void {
  const { ifname, netns, gateways, gwPriority } = inside
  const found = findLink(socket, ifname)
  if (!found) throw new OverlayError('not_found', `interface ${ifname} is gone from ${netns}`)
  const link = settleMtu(socket, found, mtu)
  const loopback = findLink(socket, 'lo')
  if (loopback && !loopback.up) changeLink(socket, loopback, { up: true })
  if (mustBeQuiet(link, inside)) quieten(socket, link)
  changeLink(socket, link, { up: true })
  for (const { address, prefix, device } of addressesOf(inside))
    socket.request(putAddress(link.index, address, prefix, device))
  for (const gateway of gateways) addDefaultRoute(socket, link.index, gateway, gwPriority)
}

/**
 * That it is up, its MAC and MTU, our addresses and the routes that come of them
 * are ours to keep after the start, and nothing that a workload added. `veth`: the
 * host's end.
 * @throws OverlayError
 */
export function settleInside(socket: NetlinkSocket, veth: Link, { inside, mtu }: Veth): void {
  const found = farEnd(socket, veth)
  // A workload may have moved it to a namespace of its own.
  if (!found) return
  const link = settleMtu(socket, found, mtu)
  if (link.mac !== inside.mac) changeLink(socket, link, { mac: inside.mac })
  // It had no room for IPv6 when it was set up, or was down, and is about to give itself an address.
  if ((found.addrGenMode === undefined || !link.up) && mustBeQuiet(link, inside)) quieten(socket, link)
  if (!link.up) changeLink(socket, link, { up: true })
  const present = dumpAddresses(socket)
  for (const wish of addressesOf(inside)) settleAddress(socket, link, present, wish)
  if (link.master === 0) settleRoutes(socket, link, inside)
}

function settleRoutes(socket: NetlinkSocket, { index }: Link, inside: SandboxInterface): void {
  const routes = dumpLinkRoutes(socket, index)
  const there = new Set(routes.onLink)
  for (const { address, prefix } of addressesOf(inside)) {
    const family = familyOf(address)
    const { text } = cidrAt(family, ipValue(address), prefix)
    if (prefix >= (family === 4 ? 32 : 128) || there.has(text)) continue
    there.add(text)
    restoreOnLinkRoute(socket, index, address, prefix)
  }
  const { missing, surplus } = defaultRouteChanges(routes, inside)
  for (const gateway of missing) addDefaultRoute(socket, index, gateway, inside.gwPriority)
  for (const route of surplus) socket.request(deleteDefaultRoute(index, route))
}

/**
 * On a network without IPv6 a link-local address would reach nobody on other
 * hosts, and each new sandbox would send its multicast announcements to all the
 * others on this one.
 */
function mustBeQuiet(link: Link, { addresses }: SandboxInterface): boolean {
  return makesAddresses(link) && !addresses.some((address) => address.includes(':'))
}

function addressesOf({ ifname, netns, addresses }: SandboxInterface): AddressWish[] {
  return addresses.map((text) => {
    const [address = '', prefix] = text.split('/')
    return { address: parseIp(address), prefix: Number(prefix), device: `${ifname} in ${netns}` }
  })
}
