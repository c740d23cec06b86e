/** Links (RTM_NEWLINK and its kin; linux/if_link.h): any kind of interface. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { type Mac, macBytes } from '../../lib/mac.ts'
import {
  type Attribute,
  type Attributes,
  bytes,
  nest,
  none,
  readAttributes,
  readText,
  readU8,
  readU32,
  text,
  u8,
  u32,
} from './attributes.ts'
import { readMac } from './byte-addresses.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import {
  AF_INET,
  AF_INET6,
  DEVCONF_ACCEPT_RA,
  DEVCONF_DISABLE_IPV6,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_NOARP,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_AF_SPEC,
  IFLA_EXT_MASK,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INET_CONF,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INET6_CONF,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_INFO_SLAVE_DATA,
  IFLA_INFO_SLAVE_KIND,
  IFLA_LINK,
  IFLA_LINK_NETNSID,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_TARGET_NETNSID,
  IPV4_DEVCONF_PROMOTE_SECONDARIES,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from './rtnetlink.ts'

export interface Link {
  readonly index: number
  readonly name: string
  /** `bridge`, `vxlan`, `veth`, …; empty for hardware. */
  readonly kind: string
  readonly up: boolean
  readonly loopback: boolean
  /** Whether it can send: what is at its other end is up. */
  readonly carrier: boolean
  /** Whether it asks for its neighbours, and answers. */
  readonly arp: boolean
  readonly mac: Mac | undefined
  readonly mtu: number
  /** Empty when there is none. */
  readonly alias: string
  /** The bridge's index; 0 when there is none. */
  readonly master: number
  /** A veth's other end, in whichever namespace. */
  readonly peer: number
  /** This namespace's number for the one that the other end is in; undefined when that is this one. */
  readonly peerNetnsid: number | undefined
  /** How link-local addresses are made; undefined where the link has no IPv6. */
  readonly addrGenMode: number | undefined
  readonly acceptRa: number | undefined
  readonly disablesIpv6: boolean
  /** Whether a secondary IPv4 address outlives its primary. */
  readonly promotesSecondaries: boolean
  /** The kind's own attributes. */
  readonly info: Attributes
  /** As a bridge's port. */
  readonly port: Attributes
}

/** What to set; only what is given is touched. */
export interface LinkSettings {
  readonly name?: string
  readonly mac?: Mac
  readonly mtu?: number
  readonly alias?: string
  readonly master?: number
  readonly addrGenMode?: number
  readonly up?: true
  readonly arp?: true
}

/** struct ifinfomsg */
export function linkHeader(index: number, { up, arp }: LinkSettings = {}): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(index, 4)
  header.writeUInt32LE(up ? IFF_UP : 0, 8)
  // Which flags are meant.
  header.writeUInt32LE((up ? IFF_UP : 0) | (arp ? IFF_NOARP : 0), 12)
  return header
}

export function linkAttributes({ name, mac, mtu, alias, master, addrGenMode }: LinkSettings): Attribute[] {
  const attributes: Attribute[] = []
  if (name !== undefined) attributes.push(text(IFLA_IFNAME, name))
  if (mac !== undefined) attributes.push(bytes(IFLA_ADDRESS, macBytes(mac)))
  if (mtu !== undefined) attributes.push(u32(IFLA_MTU, mtu))
  if (alias !== undefined) attributes.push(text(IFLA_IFALIAS, alias))
  if (master !== undefined) attributes.push(u32(IFLA_MASTER, master))
  if (addrGenMode !== undefined)
    attributes.push(nest(IFLA_AF_SPEC, [nest(AF_INET6, [u8(IFLA_INET6_ADDR_GEN_MODE, addrGenMode)])]))
  return attributes
}

/** The link of that name, if there is one. @throws OverlayError */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  return findBy(socket, linkHeader(0), [text(IFLA_IFNAME, name)], `look for link ${name}`)
}

/** `netnsid`: in another namespace. @throws OverlayError */
export function findLinkByIndex(socket: NetlinkSocket, index: number, netnsid?: number): Link | undefined {
  const where = netnsid === undefined ? [] : [u32(IFLA_TARGET_NETNSID, netnsid)]
  return findBy(socket, linkHeader(index), where, `look for link number ${index}`)
}

/** @throws OverlayError */
export function dumpLinks(socket: NetlinkSocket): Link[] {
  const task = { type: RTM_GETLINK, flags: 0, header: linkHeader(0), attributes: [withoutStatistics] }
  return socket.dump({ ...task, what: 'list the links' }, decodeLink)
}

/** The ports of the bridge with that index. @throws OverlayError */
export function dumpPorts(socket: NetlinkSocket, master: number): Link[] {
  const attributes = [withoutStatistics, u32(IFLA_MASTER, master)]
  const task = { type: RTM_GETLINK, flags: 0, header: linkHeader(0), attributes }
  return socket.dump({ ...task, what: 'list the ports of a bridge' }, decodeLink)
}

/**
 * Makes a link of a kind and reads it back. A peer's attributes are part of
 * `info`.
 * @throws OverlayError `already_exists`, …
 */
export function createLink(
  socket: NetlinkSocket,
  kind: string,
  settings: LinkSettings & { readonly name: string },
  info: readonly Attribute[],
): Link {
  const what = `create ${kind} ${settings.name}`
  socket.request({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: linkHeader(0),
    attributes: [
      ...linkAttributes(settings),
      nest(IFLA_LINKINFO, [text(IFLA_INFO_KIND, kind), nest(IFLA_INFO_DATA, info)]),
    ],
    what,
  })
  const link = findLink(socket, settings.name)
  if (!link) throw new OverlayError('unavailable', `cannot ${what}: somebody removed it at once`)
  return link
}

/** @throws OverlayError */
export function changeLink(socket: NetlinkSocket, link: Link, settings: LinkSettings): void {
  socket.request(changeTask(link, settings, []))
}

/** See Link.promotesSecondaries. */
export function promoteSecondaries(link: Link, promote: boolean): Task {
  const conf = nest(IFLA_INET_CONF, [u32(IPV4_DEVCONF_PROMOTE_SECONDARIES, promote ? 1 : 0)])
  return changeTask(link, {}, [nest(IFLA_AF_SPEC, [nest(AF_INET, [conf])])])
}

/** Sets attributes of the link's kind. @throws OverlayError */
export function changeLinkInfo(socket: NetlinkSocket, link: Link, info: readonly Attribute[]): void {
  const linkInfo = nest(IFLA_LINKINFO, [text(IFLA_INFO_KIND, link.kind), nest(IFLA_INFO_DATA, info)])
  socket.request(changeTask(link, {}, [linkInfo]))
}

/** Sets attributes of a link as a port of its bridge, which must be its master already. @throws OverlayError */
export function changeBridgePort(socket: NetlinkSocket, link: Link, port: readonly Attribute[]): void {
  const linkInfo = nest(IFLA_LINKINFO, [text(IFLA_INFO_SLAVE_KIND, 'bridge'), nest(IFLA_INFO_SLAVE_DATA, port)])
  socket.request(changeTask(link, {}, [linkInfo]))
}

/** Of a veth it takes both ends. One that is gone already is no error. @throws OverlayError */
export function removeLink(socket: NetlinkSocket, { index, name }: Link): void {
  try {
    const task = { type: RTM_DELLINK, flags: 0, header: linkHeader(index), attributes: [] }
    socket.request({ ...task, what: `delete link ${name}` })
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
  }
}

export function decodeLink(payload: Buffer): Link {
  const flags = payload.readUInt32LE(8)
  const found = readAttributes(payload.subarray(16))
  const linkInfo = readAttributes(found.get(IFLA_LINKINFO))
  const families = readAttributes(found.get(IFLA_AF_SPEC))
  const inet = readAttributes(families.get(AF_INET)).get(IFLA_INET_CONF)
  const inet6 = readAttributes(families.get(AF_INET6))
  const conf6 = (place: number) => readU32(inet6.get(IFLA_INET6_CONF)?.subarray(4 * place))
  const isPort = readText(linkInfo.get(IFLA_INFO_SLAVE_KIND)) === 'bridge'
  return {
    index: payload.readInt32LE(4),
    name: readText(found.get(IFLA_IFNAME)),
    kind: readText(linkInfo.get(IFLA_INFO_KIND)),
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    arp: (flags & IFF_NOARP) === 0,
    mac: readMac(found.get(IFLA_ADDRESS)),
    mtu: readU32(found.get(IFLA_MTU)) ?? 0,
    alias: readText(found.get(IFLA_IFALIAS)),
    master: readU32(found.get(IFLA_MASTER)) ?? 0,
    peer: readU32(found.get(IFLA_LINK)) ?? 0,
    peerNetnsid: readU32(found.get(IFLA_LINK_NETNSID)),
    addrGenMode: readU8(inet6.get(IFLA_INET6_ADDR_GEN_MODE)),
    acceptRa: conf6(DEVCONF_ACCEPT_RA),
    disablesIpv6: conf6(DEVCONF_DISABLE_IPV6) === 1,
    promotesSecondaries: (readU32(inet?.subarray(4 * (IPV4_DEVCONF_PROMOTE_SECONDARIES - 1))) ?? 0) !== 0,
    info: ownAttributes(linkInfo.get(IFLA_INFO_DATA)),
    port: isPort ? ownAttributes(linkInfo.get(IFLA_INFO_SLAVE_DATA)) : none,
  }
}

const withoutStatistics = u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)

function findBy(socket: NetlinkSocket, header: Buffer, by: readonly Attribute[], what: string): Link | undefined {
  const task: Task = { type: RTM_GETLINK, flags: 0, header, attributes: [...by, withoutStatistics], what }
  const found = socket.find(task)
  return found && decodeLink(found)
}

function changeTask(link: Link, settings: LinkSettings, more: readonly Attribute[]): Task {
  return {
    type: RTM_NEWLINK,
    flags: 0,
    header: linkHeader(link.index, settings),
    attributes: [...linkAttributes(settings), ...more],
    what: `change ${link.kind} ${link.name}`,
  }
}

/** The receive buffer is used again: keep values of our own. */
function ownAttributes(nested: Buffer | undefined): Attributes {
  return readAttributes(nested && Buffer.from(nested))
}
