/** Routes (RTM_NEWROUTE, RTM_GETROUTE; linux/rtnetlink.h). */
import { hasCode } from '../../lib/errors.ts'
import { type Ip, ipBytes } from '../../lib/ip.ts'
import { bytes, readAttributes, u32 } from './attributes.ts'
import { addressFamily, readIp } from './byte-addresses.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PREFSRC,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTPROT_OVERLAY,
} from './rtnetlink.ts'

/**
 * A default route by `gateway`, which the link must reach. One that is there
 * already, by whomever, is left alone.
 * @throws OverlayError
 */
export function addDefaultRoute(socket: NetlinkSocket, index: number, gateway: Ip): void {
  try {
    socket.request({
      type: RTM_NEWROUTE,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      header: routeHeader(addressFamily(gateway), 0, RTPROT_OVERLAY),
      attributes: [bytes(RTA_GATEWAY, ipBytes(gateway)), u32(RTA_OIF, index)],
      what: `add the default route by ${gateway}`,
    })
  } catch (error) {
    if (!hasCode(error, 'already_exists')) throw error
  }
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
function routeHeader(family: number, destinationBits: number, protocol: number): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(family, 0)
  header.writeUInt8(destinationBits, 1)
  header.writeUInt8(RT_TABLE_MAIN, 4)
  header.writeUInt8(protocol, 5)
  header.writeUInt8(RT_SCOPE_UNIVERSE, 6)
  header.writeUInt8(RTN_UNICAST, 7)
  return header
}
