/**
 * Neighbour and forwarding entries (RTM_NEWNEIGH and its kin;
 * linux/neighbour.h): ARP and ND on a link, the FDB of a bridge and of a VXLAN
 * device.
 */
import { type Ip, ipBytes } from '../../lib/ip.ts'
import { type Mac, macBytes, parseMac } from '../../lib/mac.ts'
import { type Attribute, type Attributes, bytes, readAttributes, readBe16, readU32 } from './attributes.ts'
import { addressFamily, readIp, readMac } from './byte-addresses.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import {
  AF_BRIDGE,
  AF_UNSPEC,
  NDA_DST,
  NDA_IFINDEX,
  NDA_LLADDR,
  NDA_MASTER,
  NDA_PORT,
  NDA_VNI,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  NTF_MASTER,
  NTF_SELF,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from './rtnetlink.ts'

/** An FDB entry: of the bridge that `index` is a port of, or of that device itself. */
export interface ForwardingEntry {
  readonly index: number
  readonly of: 'bridge' | 'device'
  readonly mac: Mac
  /** `static`: made by somebody; `permanent`: the address is the bridge's or the device's own; `dynamic`: learned. */
  readonly state: 'static' | 'permanent' | 'dynamic'
  /** Where a VXLAN device sends it. */
  readonly destination: Ip | undefined
  /** How a VXLAN device sends it there otherwise than all else: by another port, VNI or device. */
  readonly detour: string
}

export interface NeighbourEntry {
  readonly index: number
  readonly address: Ip
  readonly mac: Mac
  /** Neither found out by the kernel: `permanent`, or `noarp`, which its garbage collection takes. */
  readonly state: 'permanent' | 'noarp' | 'dynamic'
}

/** In a VXLAN device's FDB: where frames go that are for all, or for an unknown MAC. */
export const floodMac = parseMac('00:00:00:00:00:00')

const put = NLM_F_CREATE | NLM_F_REPLACE
/**
 * What `bridge fdb` calls static. A bridge looks for NUD_NOARP (with
 * NUD_PERMANENT the MAC would be its own), VXLAN asks for NUD_REACHABLE.
 */
const fixed = NUD_NOARP | NUD_REACHABLE

/** In the bridge's FDB: the MAC is behind this port. */
export function putPortEntry(index: number, mac: Mac, port: string): Task {
  return {
    ...task(RTM_NEWNEIGH, put, header(AF_BRIDGE, index, fixed, NTF_MASTER), [hardware(mac)]),
    what: `add forwarding entry ${mac} to port ${port}`,
  }
}

/**
 * Writes both halves at once: the bridge's (behind the VXLAN device), and the
 * device's (at that VTEP).
 */
export function putRemoteEntry(index: number, mac: Mac, vtep: Ip, device: string): Task {
  const attributes = [hardware(mac), bytes(NDA_DST, ipBytes(vtep))]
  return {
    ...task(RTM_NEWNEIGH, put, header(AF_BRIDGE, index, fixed, NTF_MASTER | NTF_SELF), attributes),
    what: `add forwarding entry ${mac} to VTEP ${vtep} on ${device}`,
  }
}

/** The bridge's half, or the device's own: when one is missing the other must go all the same. */
export function deleteForwardingEntry(index: number, mac: Mac, of: ForwardingEntry['of'], device: string): Task {
  const flag = of === 'bridge' ? NTF_MASTER : NTF_SELF
  return {
    ...task(RTM_DELNEIGH, 0, header(AF_BRIDGE, index, 0, flag), [hardware(mac)]),
    what: `remove forwarding entry ${mac} from ${device}`,
  }
}

/** One more destination of what is flooded; there is one entry with all of them. */
export function putFloodEntry(index: number, vtep: Ip, device: string): Task {
  const attributes = [hardware(floodMac), bytes(NDA_DST, ipBytes(vtep))]
  return {
    ...task(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, header(AF_BRIDGE, index, fixed, NTF_SELF), attributes),
    what: `add flooding to VTEP ${vtep} on ${device}`,
  }
}

/** That destination alone. */
export function deleteFloodEntry(index: number, vtep: Ip, device: string): Task {
  const attributes = [hardware(floodMac), bytes(NDA_DST, ipBytes(vtep))]
  return {
    ...task(RTM_DELNEIGH, 0, header(AF_BRIDGE, index, 0, NTF_SELF), attributes),
    what: `remove flooding to VTEP ${vtep} from ${device}`,
  }
}

/** Permanent: it is neither probed nor collected when the table is full. */
export function putNeighbour(index: number, address: Ip, mac: Mac, device: string): Task {
  const attributes = [bytes(NDA_DST, ipBytes(address)), hardware(mac)]
  return {
    ...task(RTM_NEWNEIGH, put, header(addressFamily(address), index, NUD_PERMANENT, 0), attributes),
    what: `add neighbour ${address} to ${device}`,
  }
}

export function deleteNeighbour(index: number, address: Ip, device: string): Task {
  return {
    ...task(RTM_DELNEIGH, 0, header(addressFamily(address), index, 0, 0), [bytes(NDA_DST, ipBytes(address))]),
    what: `remove neighbour ${address} from ${device}`,
  }
}

/** @throws OverlayError */
export function dumpForwarding(socket: NetlinkSocket): ForwardingEntry[] {
  return socket.dump(allForwarding, decodeForwarding)
}

/** @throws OverlayError */
export function dumpNeighbours(socket: NetlinkSocket): NeighbourEntry[] {
  return socket.dump(allNeighbours, decodeNeighbour)
}

/** Both kinds, as they come. @throws OverlayError */
export function eachEntry(socket: NetlinkSocket, take: (payload: Buffer) => void): void {
  for (const all of [allForwarding, allNeighbours]) socket.dump(all, take)
}

export function decodeForwarding(payload: Buffer): ForwardingEntry | undefined {
  if (payload.readUInt8(0) !== AF_BRIDGE) return undefined
  const found = readAttributes(payload.subarray(12))
  const mac = readMac(found.get(NDA_LLADDR))
  if (!mac) return undefined
  return {
    index: payload.readInt32LE(4),
    of: readU32(found.get(NDA_MASTER)) === undefined ? 'device' : 'bridge',
    mac,
    state: forwardingState(payload.readUInt16LE(8)),
    destination: readIp(found.get(NDA_DST)),
    detour: detourOf(found),
  }
}

/** Undefined where the neighbour's MAC is not known. */
export function decodeNeighbour(payload: Buffer): NeighbourEntry | undefined {
  if (payload.readUInt8(0) === AF_BRIDGE) return undefined
  const found = readAttributes(payload.subarray(12))
  const address = readIp(found.get(NDA_DST))
  const mac = readMac(found.get(NDA_LLADDR))
  if (!address || !mac) return undefined
  return { index: payload.readInt32LE(4), address, mac, state: neighbourState(payload.readUInt16LE(8), mac) }
}

export function forwardingState(state: number): ForwardingEntry['state'] {
  if (state & NUD_PERMANENT) return 'permanent'
  return state & NUD_NOARP ? 'static' : 'dynamic'
}

/** Of multicast and broadcast addresses, the kernel itself makes entries with NUD_NOARP. */
export function neighbourState(state: number, mac: Mac): NeighbourEntry['state'] {
  if (state & NUD_PERMANENT) return 'permanent'
  const isGroup = (macBytes(mac)[0] ?? 0) & 1
  return state & NUD_NOARP && !isGroup ? 'noarp' : 'dynamic'
}

function detourOf(found: Attributes): string {
  const [port, vni, device] = [
    readBe16(found.get(NDA_PORT)),
    readU32(found.get(NDA_VNI)),
    readU32(found.get(NDA_IFINDEX)),
  ]
  return [
    ...(port === undefined ? [] : [`port ${port}`]),
    ...(vni === undefined ? [] : [`vni ${vni}`]),
    ...(device === undefined ? [] : [`device ${device}`]),
  ].join(' ')
}

const allForwarding: Task = {
  ...task(RTM_GETNEIGH, 0, header(AF_BRIDGE, 0, 0, 0), []),
  what: 'list the forwarding entries',
}
const allNeighbours: Task = { ...task(RTM_GETNEIGH, 0, header(AF_UNSPEC, 0, 0, 0), []), what: 'list the neighbours' }

function hardware(mac: Mac): Attribute {
  return bytes(NDA_LLADDR, macBytes(mac))
}

function task(type: number, flags: number, header: Buffer, attributes: readonly Attribute[]) {
  return { type, flags, header, attributes }
}

/** struct ndmsg */
function header(family: number, index: number, state: number, flags: number): Buffer {
  const buffer = Buffer.alloc(12)
  buffer.writeUInt8(family, 0)
  buffer.writeInt32LE(index, 4)
  buffer.writeUInt16LE(state, 8)
  buffer.writeUInt8(flags, 10)
  return buffer
}
