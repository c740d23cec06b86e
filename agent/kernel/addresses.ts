/** IP addresses of links (RTM_NEWADDR and its kin; linux/if_addr.h). */
import { familyOf, type Ip, ipBytes } from '../../lib/ip.ts'
import { type Attribute, bytes, readAttributes, readU32, u32 } from './attributes.ts'
import { addressFamily, readIp } from './byte-addresses.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import {
  AF_UNSPEC,
  IFA_ADDRESS,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_SECONDARY,
  IFA_FLAGS,
  IFA_LOCAL,
  IFA_TARGET_NETNSID,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from './rtnetlink.ts'

export interface LinkAddress {
  readonly index: number
  readonly address: Ip
  readonly prefix: number
  /** Valid on that link alone (fe80::/10, 169.254.0.0/16 by habit). */
  readonly linkLocal: boolean
  /** IPv4: another address of the same subnet was on the link before, and takes it along when it goes. */
  readonly secondary: boolean
}

/**
 * Adds the address, or renews it. No duplicate address detection: that an
 * address is used once is IPAM's to prove, and it would delay the first packet.
 */
export function putAddress(index: number, address: Ip, prefix: number, device: string): Task {
  const nodad = familyOf(address) === 6 ? [u32(IFA_FLAGS, IFA_F_NODAD)] : []
  const task = addressTask(RTM_NEWADDR, index, address, prefix)
  return {
    ...task,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    attributes: [...task.attributes, ...nodad],
    what: `add address ${address}/${prefix} to ${device}`,
  }
}

export function deleteAddress(index: number, address: Ip, prefix: number, device: string): Task {
  return {
    ...addressTask(RTM_DELADDR, index, address, prefix),
    what: `remove address ${address}/${prefix} from ${device}`,
  }
}

/** An IPv6 address that is the host's, but takes no subnet along. */
export function holdAddress(index: number, address: Ip): Task {
  const flags = u32(IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE)
  const task = addressTask(RTM_NEWADDR, index, address, 128)
  return { ...task, flags: NLM_F_CREATE, attributes: [...task.attributes, flags], what: `hold address ${address}` }
}

/** Of all links, or, on a strict socket, of that one. @throws OverlayError */
export function dumpAddresses(socket: NetlinkSocket, index = 0): LinkAddress[] {
  return dump(socket, index, [])
}

/** Those of one link in another namespace. @throws OverlayError */
export function dumpAddressesIn(strictSocket: NetlinkSocket, netnsid: number, index: number): LinkAddress[] {
  return dump(strictSocket, index, [u32(IFA_TARGET_NETNSID, netnsid)])
}

function decodeAddress(payload: Buffer): LinkAddress | undefined {
  const found = readAttributes(payload.subarray(8))
  // On a point-to-point link IFA_ADDRESS is the other end's; IPv6 has no IFA_LOCAL otherwise.
  const address = readIp(found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS))
  if (!address) return undefined
  return {
    index: payload.readUInt32LE(4),
    address,
    prefix: payload.readUInt8(1),
    linkLocal: payload.readUInt8(3) === RT_SCOPE_LINK,
    secondary: ((readU32(found.get(IFA_FLAGS)) ?? 0) & IFA_F_SECONDARY) !== 0,
  }
}

function dump(socket: NetlinkSocket, index: number, attributes: readonly Attribute[]): LinkAddress[] {
  const task = { type: RTM_GETADDR, flags: 0, header: addressHeader(AF_UNSPEC, 0, index), attributes }
  return socket.dump({ ...task, what: 'list the addresses' }, decodeAddress)
}

function addressTask(type: number, index: number, address: Ip, prefix: number) {
  const header = addressHeader(addressFamily(address), prefix, index)
  // Without IFA_ADDRESS the prefix length would be nothing that a removal goes by.
  const attributes = [bytes(IFA_LOCAL, ipBytes(address)), bytes(IFA_ADDRESS, ipBytes(address))]
  return { type, flags: 0, header, attributes }
}

/** struct ifaddrmsg */
function addressHeader(family: number, prefix: number, index: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt8(family, 0)
  header.writeUInt8(prefix, 1)
  header.writeUInt8(RT_SCOPE_UNIVERSE, 3)
  header.writeUInt32LE(index, 4)
  return header
}
