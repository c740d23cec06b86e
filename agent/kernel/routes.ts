/** Routes (RTM_NEWROUTE, RTM_GETROUTE; linux/rtnetlink.h). */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { type Cidr, formatIp, type Ip, ipBytes } from '../../lib/ip.ts'
import { bytes, readAttributes, readU32, u32 } from './attributes.ts'
import { addressFamily, readIp } from './byte-addresses.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_EXPIRES,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTM_DELROUTE,
  RTM_F_FIB_MATCH,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_LOCAL,
  RTN_UNICAST,
  RTPROT_KERNEL,
  RTPROT_OVERLAY,
} from './rtnetlink.ts'

/** How many default routes of one priority a sandbox may have. */
const sharers = 64
/** Ours come after every default route that somebody else put there: the kernel's own begin at 1024. */
const firstMetric = 2048
/** One more than the kernel gives to the subnets of addresses (IP6_RT_PRIO_ADDRCONF). */
const besideTheKernels = 257
const standInSeconds = 10

/**
 * A default route by `gateway`, which the link must reach. The one of the highest
 * priority (-500 to 500) in the namespace is used, among equals the one that was
 * added first; when it goes with its link the next takes over.
 * @throws OverlayError
 */
export function addDefaultRoute(socket: NetlinkSocket, index: number, gateway: Ip, priority: number): void {
  for (const metric of freeMetrics(socket, gateway, priority)) {
    try {
      socket.request({
        type: RTM_NEWROUTE,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        header: routeHeader(addressFamily(gateway), 0, RTPROT_OVERLAY),
        attributes: [bytes(RTA_GATEWAY, ipBytes(gateway)), u32(RTA_OIF, index), u32(RTA_PRIORITY, metric)],
        what: `add the default route by ${gateway}`,
      })
      return
    } catch (error) {
      if (!hasCode(error, 'already_exists')) throw error
    }
  }
  throw new OverlayError(
    'exhausted',
    `cannot add the default route by ${gateway}: the sandbox has ${sharers} of priority ${priority} already: give another --gw-priority`,
  )
}

/** After all that are there, so that the first one stays the first; only then what became free among them. */
function freeMetrics(socket: NetlinkSocket, gateway: Ip, priority: number): readonly number[] {
  const base = firstMetric + (500 - priority) * sharers
  const all = Array.from({ length: sharers }, (_, at) => base + at)
  const last = Math.max(...defaultMetrics(socket, gateway).filter((metric) => all.includes(metric)))
  return [...all.filter((metric) => metric > last), ...all.filter((metric) => metric < last)]
}

/** Of the default routes of a gateway's family. */
function defaultMetrics(socket: NetlinkSocket, gateway: Ip): number[] {
  const header = routeHeader(addressFamily(gateway), 0, 0)
  const task = { type: RTM_GETROUTE, flags: 0, header, attributes: [], what: 'list the routes' }
  return socket.dump(task, (payload) => {
    const isDefault = payload.readUInt8(1) === 0 && payload.readUInt8(7) === RTN_UNICAST
    return isDefault ? readU32(readAttributes(payload.subarray(12)).get(RTA_PRIORITY)) : undefined
  })
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
  const to = ipBytes(address)
  const header = routeHeader(addressFamily(address), to.length * 8, 0)
  header.writeUInt32LE(RTM_F_FIB_MATCH, 8)
  const task = { type: RTM_GETROUTE, flags: 0, header, attributes: [bytes(RTA_DST, to)] }
  const answer = socket.get({ ...task, what: `find the route to ${address}` })
  return answer.readUInt8(5) === RTPROT_KERNEL && answer.readUInt8(7) === RTN_LOCAL
}

/** The source address that the kernel would use towards `destination`, if it has a route. */
export function sourceTowards(socket: NetlinkSocket, destination: Ip): Ip | undefined {
  const address = ipBytes(destination)
  try {
    const answer = socket.get({
      type: RTM_GETROUTE,
      flags: 0,
      header: routeHeader(addressFamily(destination), address.length * 8, 0),
      attributes: [bytes(RTA_DST, address)],
      what: `find the route to ${destination}`,
    })
    return readIp(readAttributes(answer.subarray(12)).get(RTA_PREFSRC))
  } catch (error) {
    if (hasCode(error, 'failed_precondition') || hasCode(error, 'not_found')) return undefined
    throw error
  }
}

/** struct rtmsg */
function routeHeader(family: number, destinationBits: number, protocol: number, isLocal = false): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(family, 0)
  header.writeUInt8(destinationBits, 1)
  header.writeUInt8(isLocal ? RT_TABLE_LOCAL : RT_TABLE_MAIN, 4)
  header.writeUInt8(protocol, 5)
  header.writeUInt8(RT_SCOPE_UNIVERSE, 6)
  header.writeUInt8(isLocal ? RTN_LOCAL : RTN_UNICAST, 7)
  return header
}
