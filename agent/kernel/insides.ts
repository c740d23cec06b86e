/**
 * The far ends of veths, seen from the host: the kernel answers questions about
 * another namespace by the number that the host has for it. Nothing is opened, so
 * that nothing keeps a sandbox alive, and no path to it is needed.
 */
import { OverlayError } from '../../lib/errors.ts'
import type { ObservedInterface } from '../state/item.ts'
import { dumpAddressesIn, type LinkAddress } from './addresses.ts'
import type { Host } from './host.ts'
import { findLinkByIndex, type Link } from './links.ts'

interface Inside {
  readonly mtu: number
  /** Without link-local ones. */
  readonly addresses: readonly LinkAddress[]
}

/** As an item tells it; undefined as of `lookInside`. */
export function insideOf(host: Host, link: Link): ObservedInterface | undefined {
  const seen = lookInside(host, link)
  return seen && { mtu: seen.mtu, addresses: seen.addresses.map(({ address, prefix }) => `${address}/${prefix}`) }
}

/** Undefined where there is nothing to be seen: the namespace may be on its way out. */
export function lookInside({ strictSocket, log }: Host, link: Link): Inside | undefined {
  const { peer, peerNetnsid } = link
  if (peerNetnsid === undefined) return undefined
  try {
    const end = findLinkByIndex(strictSocket, peer, peerNetnsid)
    // The number may be another namespace's by now.
    if (end?.kind !== 'veth' || end.peer !== link.index) return undefined
    const addresses = dumpAddressesIn(strictSocket, peerNetnsid, peer).filter((one) => !one.linkLocal)
    return { mtu: end.mtu, addresses }
  } catch (error) {
    log.debug({ err: OverlayError.from(error), link: link.name }, 'cannot look into the sandbox')
    return undefined
  }
}
