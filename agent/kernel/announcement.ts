/** Frames that tell a link unasked which MAC an address has now. Pure. */
import { familyOf, type Ip, ipBytes } from '../../lib/ip.ts'
import { type Mac, macBytes } from '../../lib/mac.ts'

export const etherTypeOf = { 4: 0x0806, 6: 0x86dd } as const

const everyone = Buffer.from('ffffffffffff', 'hex')
/** Where ff02::1, all nodes of a link, is sent to (RFC 2464, section 7). */
const allNodesMac = Buffer.from('333300000001', 'hex')
const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex')

/**
 * An Ethernet frame from `source`: for IPv4 an ARP announcement (RFC 5227,
 * section 3), for IPv6 an unsolicited neighbour advertisement (RFC 4861, section
 * 7.2.6). Linux changes an entry that it has by either at once, and makes none.
 */
export function announcementFrame(address: Ip, mac: Mac, source: Mac): Buffer {
  const family = familyOf(address)
  const type = uint16(etherTypeOf[family])
  const [destination, packet] =
    family === 4 ? [everyone, arpAnnouncement(address, mac)] : [allNodesMac, advertisement(address, mac)]
  return Buffer.concat([destination, macBytes(source), type, packet])
}

/** RFC 826: a request for the address that its sender says to have. */
function arpAnnouncement(address: Ip, mac: Mac): Buffer {
  const [ethernet, ipv4, lengths, request] = [uint16(1), uint16(0x0800), Buffer.from([6, 4]), uint16(1)]
  const [ip, nobody] = [ipBytes(address), Buffer.alloc(6)]
  return Buffer.concat([ethernet, ipv4, lengths, request, macBytes(mac), ip, nobody, ip])
}

/** RFC 8200, section 3, and RFC 4861, section 4.4. */
function advertisement(address: Ip, mac: Mac): Buffer {
  const source = ipBytes(address)
  const overrides = Buffer.from([0x20, 0, 0, 0])
  const targetLinkLayerAddress = Buffer.concat([Buffer.from([2, 1]), macBytes(mac)])
  const message = Buffer.concat([Buffer.from([136, 0, 0, 0]), overrides, source, targetLinkLayerAddress])
  const [length, icmpv6] = [uint16(message.length), 58]
  const pseudoHeader = Buffer.concat([source, allNodes, Buffer.from([0, 0]), length, Buffer.from([0, 0, 0, icmpv6])])
  message.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, message])), 2)
  const hopLimit = 255
  const header = Buffer.concat([Buffer.from([0x60, 0, 0, 0]), length, Buffer.from([icmpv6, hopLimit])])
  return Buffer.concat([header, source, allNodes, message])
}

/** The Internet's (RFC 1071), of an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
