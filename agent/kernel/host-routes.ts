/**
 * What this host reaches otherwise than by an overlay: where no overlay subnet
 * should lie. Told from its routes (RTM_GETROUTE; linux/rtnetlink.h) and addresses.
 */
import { type Cidr, cidrAt, encloses, type Family, familyOf, type Ip, ipValue, parseCidr } from '../../lib/ip.ts'
import { dumpAddresses } from './addresses.ts'
import { readAttributes, readU32 } from './attributes.ts'
import { readIp } from './byte-addresses.ts'
import type { Host } from './host.ts'
import type { HostRoute, HostRoutesFound } from './kernel.ts'
import { dumpLinks, type Link } from './links.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { devicesOf } from './route-devices.ts'
import {
  AF_INET,
  AF_INET6,
  RT_TABLE_LOCAL,
  RTA_DST,
  RTA_TABLE,
  RTM_F_CLONED,
  RTM_GETROUTE,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTPROT_OVERLAY,
} from './rtnetlink.ts'
import { bitsOf, keepWidest } from './widest-routes.ts'

/** On every host: they are no reason to keep a subnet away. */
const everywhere = ['127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '::1/128', 'fe80::/10', 'ff00::/8'].map((text) =>
  parseCidr(text),
)

/**
 * Prefix lengths up to which a route is a default route: VPNs split theirs, into
 * 0.0.0.0/1 and 128.0.0.0/1, ::/1 and 8000::/1, or name 2000::/3, to take
 * precedence over the one that is there.
 */
const longestDefault: Readonly<Record<Family, number>> = { 4: 1, 6: 3 }

/** With so many there is more than enough to tell, and what is done with them at once takes no time to speak of. */
const mostKept = 50_000

const leadsNowhere: readonly number[] = [RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT]

/**
 * Routes of all tables but `local`, and addresses, each once. Left out are
 * default routes, what is ours, loopback, link-local and multicast. That an
 * address is on `lo` does not make it loopback: routers have theirs there. Routers
 * may have a million: they are read in turns, and `most` of them kept, the widest.
 * The socket is to be asked nothing else meanwhile.
 * @throws OverlayError
 */
export async function hostRoutes(
  { socket, owned }: Pick<Host, 'socket' | 'owned'>,
  most = mostKept,
): Promise<HostRoutesFound> {
  const all = dumpLinks(socket)
  const ours = (link: Link) => owned.isOurs(link) || owned.isHalfMade(link)
  const names = new Map(all.filter((link) => !ours(link)).map(({ index, name }) => [index, name]))
  const found = keepWidest(most)
  const add = (kind: HostRoute['kind'], cidr: Cidr, via: string) => {
    if (!everywhere.some((one) => encloses(one, cidr))) found.add({ kind, cidr, via })
  }
  for (const { index, address } of dumpAddresses(socket)) {
    const via = names.get(index)
    const family = familyOf(address)
    if (via !== undefined) add('address', cidrAt(family, ipValue(address), bitsOf[family]), via)
  }
  const addRoute = ({ destination, prefix, devices }: Route) => {
    const family = familyOf(destination)
    if (prefix <= longestDefault[family]) return
    const vias = devices.length === 0 ? [''] : devices.flatMap((index) => names.get(index) ?? [])
    for (const via of vias) add('route', cidrAt(family, ipValue(destination), prefix), via)
  }
  for (const family of [4, 6] as const)
    await dumpRoutes(socket, family, (payload) => {
      // Told before it is decoded, which is what takes time.
      if (!found.hasRoomFor(family, payload.readUInt8(1))) return
      const route = decodeRoute(payload)
      if (route) addRoute(route)
    })
  return found.all()
}

interface Route {
  readonly destination: Ip
  readonly prefix: number
  /** Indexes; empty when it leads nowhere, or its next hop is an object of its own that the kernel does not spell out. */
  readonly devices: readonly number[]
}

/** What an attempt that was broken off has told is told again. */
function dumpRoutes(socket: NetlinkSocket, family: Family, take: (payload: Buffer) => void): Promise<void> {
  const header = Buffer.alloc(12)
  header.writeUInt8(family === 4 ? AF_INET : AF_INET6, 0)
  return socket.dumpInTurns({ type: RTM_GETROUTE, flags: 0, header, attributes: [], what: 'list the routes' }, take)
}

/** Undefined for what is no route of somebody else's to a place. */
function decodeRoute(payload: Buffer): Route | undefined {
  const [, prefix = 0, , , table = 0, protocol, , type = 0] = payload
  const nowhere = leadsNowhere.includes(type)
  if (protocol === RTPROT_OVERLAY || !(nowhere || type === RTN_UNICAST)) return undefined
  if (payload.readUInt32LE(8) & RTM_F_CLONED) return undefined
  const found = readAttributes(payload.subarray(12))
  const destination = readIp(found.get(RTA_DST))
  // Without a destination it is a default route.
  if (!destination || (readU32(found.get(RTA_TABLE)) ?? table) === RT_TABLE_LOCAL) return undefined
  // IPv6 names the loopback device on those that lead nowhere.
  return { destination, prefix, devices: nowhere ? [] : devicesOf(found) }
}
