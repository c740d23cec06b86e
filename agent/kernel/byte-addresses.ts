/** MAC and IP addresses between the bytes of a netlink message and our types. */
import { familyOf, type Ip } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import { AF_INET, AF_INET6 } from './rtnetlink.ts'

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Undefined when it is no Ethernet address. */
export function readMac(value: Buffer | undefined): Mac | undefined {
  if (value?.length !== 6) return undefined
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = value
  return `${hex[a]}:${hex[b]}:${hex[c]}:${hex[d]}:${hex[e]}:${hex[f]}` as Mac
}

/** Undefined when it is no address. */
export function readIp(value: Buffer | undefined): Ip | undefined {
  if (value?.length === 4) return value.join('.') as Ip
  return value?.length === 16 ? ip6(value) : undefined
}

/** By RFC 5952, section 4: the first longest run of two or more zero groups becomes `::`. */
function ip6(value: Buffer): Ip {
  const groups = Array.from({ length: 8 }, (_, at) => value.readUInt16BE(2 * at))
  let [start, length] = [0, 1]
  for (let at = 0; at < 8; at++) {
    let end = at
    while (groups[end] === 0) end++
    if (end - at > length) [start, length] = [at, end - at]
    at = Math.max(at, end - 1)
  }
  const text = (some: readonly number[]) => some.map((group) => group.toString(16)).join(':')
  if (length < 2) return text(groups) as Ip
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}` as Ip
}

export function addressFamily(ip: Ip): number {
  return familyOf(ip) === 4 ? AF_INET : AF_INET6
}
