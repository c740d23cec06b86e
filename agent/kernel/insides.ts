/**
 * The far ends of veths. The kernel answers questions about another namespace by
 * the number that the host has for it: nothing is opened, and no path to it is
 * needed. Only about routes it does not: for them the sandbox is entered, where
 * its path is known, and left at once, so that nothing keeps it alive.
 */
import { OverlayError } from '../../lib/errors.ts'
import type { InsideRoutes, ObservedInterface, SandboxPlace } from '../state/item.ts'
import { dumpAddresses, dumpAddressesIn, type LinkAddress } from './addresses.ts'
import { dumpLinkRoutes } from './default-routes.ts'
import type { Host } from './host.ts'
import { findLinkByIndex, type Link } from './links.ts'
import type { NetlinkSocket } from './netlink-socket.ts'

interface Inside {
  readonly end: Link
  /** Without link-local ones. */
  readonly addresses: readonly LinkAddress[]
  /** Absent where they cannot be seen, or are others' to make: a workload put the interface into a bridge or VRF. */
  readonly routes?: InsideRoutes
}

/** As an item tells it; undefined as of `lookInside`. */
export function insideOf(host: Host, link: Link, place?: SandboxPlace): ObservedInterface | undefined {
  const seen = lookInside(host, link, place)
  if (!seen) return undefined
  const { end, addresses, routes } = seen
  return {
    ifname: end.name,
    up: end.up,
    mac: end.mac ?? '',
    mtu: end.mtu,
    addresses: addresses.map(({ address, prefix }) => `${address}/${prefix}`),
    ...(routes && { routes }),
  }
}

/**
 * Undefined where there is nothing to be seen: the namespace may be on its way out,
 * or a workload has taken the interface out of the sandbox that was told.
 */
export function lookInside(host: Host, link: Link, place?: SandboxPlace): Inside | undefined {
  if (link.peerNetnsid === undefined) return undefined
  try {
    const within = place && lookWithin(host, link, place)
    return within === undefined ? lookFromHere(host, link, link.peerNetnsid) : within || undefined
  } catch (error) {
    host.log.debug({ err: OverlayError.from(error), link: link.name }, 'cannot look into the sandbox')
    return undefined
  }
}

/** The other end of the veth pair, unless a workload has taken it elsewhere. @throws OverlayError */
export function farEnd(socket: NetlinkSocket, link: Link, netnsid?: number): Link | undefined {
  const end = findLinkByIndex(socket, link.peer, netnsid)
  // The number may be another interface's, or another namespace's, by now.
  return end?.kind === 'veth' && end.peer === link.index ? end : undefined
}

/** False where a workload took it elsewhere; undefined where the path does not lead to the sandbox any more. */
function lookWithin(
  { namespaces, log }: Host,
  link: Link,
  { netns, cookie }: SandboxPlace,
): Inside | false | undefined {
  try {
    return namespaces.within(
      netns,
      (sandbox) => {
        if (sandbox.cookie !== cookie) return undefined
        const end = farEnd(sandbox.socket, link)
        if (!end) return false
        const addresses = without(dumpAddresses(sandbox.socket, link.peer))
        return { end, addresses, ...(end.master === 0 && { routes: dumpLinkRoutes(sandbox.socket, link.peer) }) }
      },
      { strict: true },
    )
  } catch (error) {
    log.debug({ err: OverlayError.from(error), link: link.name, netns }, 'the sandbox cannot be entered')
    return undefined
  }
}

function lookFromHere({ strictSocket }: Host, link: Link, netnsid: number): Inside | undefined {
  const end = farEnd(strictSocket, link, netnsid)
  return end && { end, addresses: without(dumpAddressesIn(strictSocket, netnsid, link.peer)) }
}

function without(addresses: readonly LinkAddress[]): LinkAddress[] {
  return addresses.filter(({ linkLocal }) => !linkLocal)
}
