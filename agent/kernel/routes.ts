/** Routes (RTM_NEWROUTE, RTM_GETROUTE; linux/rtnetlink.h). */
import { hasCode } from '../../lib/errors.ts'
import { type Cidr, cidrAt, familyOf, formatIp, type Ip, ipBytes, ipValue } from '../../lib/ip.ts'
import { bytes, readAttributes, readU32, u32 } from './attributes.ts'
import { addressFamily, readIp } from './byte-addresses.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import {
  NLM_F_APPEND,
  NLM_F_CREATE,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_EXPIRES,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTM_DELROUTE,
  RTM_F_FIB_MATCH,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_LOCAL,
  RTN_UNICAST,
  RTPROT_KERNEL,
  RTPROT_OVERLAY,
} from './rtnetlink.ts'
import { bitsOf } from './widest-routes.ts'

/** What the kernel gives to the IPv6 subnets of addresses (IP6_RT_PRIO_ADDRCONF). */
const kernelsMetric = 256
const besideTheKernels = kernelsMetric + 1
const standInSeconds = 10

/** Puts back the route to the subnet of an address on the link. @throws OverlayError */
export function restoreOnLinkRoute(socket: NetlinkSocket, index: number, address: Ip, prefix: number): void {
  const [error] = socket.batch([onLinkRoute(index, address, prefix)])
  if (error && error.code !== 'already_exists') throw error
}

/** As the kernel adds it with the address. */
function onLinkRoute(index: number, address: Ip, prefix: number): Task {
  const family = familyOf(address)
  const { text, first } = cidrAt(family, ipValue(address), prefix)
  const header = routeHeader(addressFamily(address), prefix, RTPROT_KERNEL)
  if (family === 4) header.writeUInt8(RT_SCOPE_LINK, 6)
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_APPEND,
    header,
    attributes: [
      bytes(RTA_DST, ipBytes(formatIp(family, first))),
      u32(RTA_OIF, index),
      family === 4 ? bytes(RTA_PREFSRC, ipBytes(address)) : u32(RTA_PRIORITY, kernelsMetric),
    ],
    what: `add the route to ${text}`,
  }
}

/**
 * Whether the main table has a route to the subnet of that address on the link; it
 * may be for a part of it. Where rules lead elsewhere before, it cannot be told.
 * @throws OverlayError
 */
export function hasOnLinkRoute(socket: NetlinkSocket, index: number, address: Ip, prefix: number): boolean {
  const family = familyOf(address)
  const own = ipValue(address)
  if (prefix >= bitsOf[family]) return true
  const { first } = cidrAt(family, own, prefix)
  // Neither the address, nor the subnet's own, which may be one of the host's too.
  const other = [1n, 2n, 0n].map((step) => first + step).find((value) => value !== own)
  try {
    const answer = findRoute(socket, formatIp(family, other ?? first), { flags: RTM_F_FIB_MATCH, index })
    const table = readU32(readAttributes(answer.subarray(12)).get(RTA_TABLE))
    return table !== RT_TABLE_MAIN || answer.readUInt8(1) >= prefix
  } catch (error) {
    if (isUnreachable(error)) return false
    throw error
  }
}

/**
 * An IPv6 route that stands in for one that comes and goes with an address: the
 * address's own (`local`), or the one to its subnet. Should nobody remove it, it
 * expires.
 */
export function standInRoute(
  what: 'add' | 'remove',
  kind: 'local' | 'subnet',
  index: number,
  { text, family, first, prefix }: Cidr,
): Task {
  const to = formatIp(family, first)
  const header = routeHeader(addressFamily(to), prefix, RTPROT_OVERLAY, kind === 'local')
  const attributes = [bytes(RTA_DST, ipBytes(to)), u32(RTA_OIF, index), u32(RTA_PRIORITY, besideTheKernels)]
  return what === 'add'
    ? {
        type: RTM_NEWROUTE,
        flags: NLM_F_CREATE,
        header,
        attributes: [...attributes, u32(RTA_EXPIRES, standInSeconds)],
        what: `add a route to ${text}`,
      }
    : { type: RTM_DELROUTE, flags: 0, header, attributes, what: `remove a route to ${text}` }
}

/** Whether the namespace itself has the address, by a route of the kernel's own. @throws OverlayError */
export function isReceived(socket: NetlinkSocket, address: Ip): boolean {
  const answer = findRoute(socket, address, { flags: RTM_F_FIB_MATCH })
  return answer.readUInt8(5) === RTPROT_KERNEL && answer.readUInt8(7) === RTN_LOCAL
}

/** The source address that the kernel would use towards `destination`, if it has a route. */
export function sourceTowards(socket: NetlinkSocket, destination: Ip): Ip | undefined {
  try {
    return readIp(readAttributes(findRoute(socket, destination).subarray(12)).get(RTA_PREFSRC))
  } catch (error) {
    if (isUnreachable(error)) return undefined
    throw error
  }
}

/** `index`: by that link. @throws OverlayError, see `isUnreachable` */
function findRoute(socket: NetlinkSocket, to: Ip, { flags = 0, index = 0 } = {}): Buffer {
  const address = ipBytes(to)
  const header = routeHeader(addressFamily(to), address.length * 8, 0)
  header.writeUInt32LE(flags, 8)
  const attributes = [bytes(RTA_DST, address), ...(index === 0 ? [] : [u32(RTA_OIF, index)])]
  return socket.get({ type: RTM_GETROUTE, flags: 0, header, attributes, what: `find the route to ${to}` })
}

function isUnreachable(error: unknown): boolean {
  return hasCode(error, 'failed_precondition') || hasCode(error, 'not_found')
}

/** struct rtmsg */
export function routeHeader(family: number, destinationBits: number, protocol: number, isLocal = false): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(family, 0)
  header.writeUInt8(destinationBits, 1)
  header.writeUInt8(isLocal ? RT_TABLE_LOCAL : RT_TABLE_MAIN, 4)
  header.writeUInt8(protocol, 5)
  header.writeUInt8(RT_SCOPE_UNIVERSE, 6)
  header.writeUInt8(isLocal ? RTN_LOCAL : RTN_UNICAST, 7)
  return header
}
