/** Addresses and subnets, IPv4 and IPv6: plain values and arithmetic. */

import { isIPv4, isIPv6 } from 'node:net'
import { IPv6 } from 'ip-num'
import { OverlayError } from './errors.ts'
import { quote } from './quote.ts'

declare const brand: unique symbol

/** An address as canonical text (RFC 5952 for IPv6): equal text, equal address. */
export type Ip = string & { readonly [brand]: 'Ip' }

export type Family = 4 | 6

/** A subnet without host bits. Numbers are addresses in host order. */
export interface Cidr {
  /** Canonical text, for example `10.0.9.0/24`. */
  readonly text: string
  readonly family: Family
  readonly first: bigint
  readonly last: bigint
  readonly prefix: number
}

const bitsOf = { 4: 32, 6: 128 } as const

/** @throws OverlayError `invalid` when `text` is no IPv4 or IPv6 address. */
export function parseIp(text: string): Ip {
  if (isIPv4(text)) return text as Ip
  if (isIPv6(text) && !text.includes('%')) return canonicalIPv6(text)
  throw new OverlayError('invalid', `${quote(text)} is not an IP address (for example 10.0.9.7 or fd00::7)`)
}

/** Whether `parseIp` takes it. */
export function isIpText(text: string): boolean {
  return isIPv4(text) || (isIPv6(text) && !text.includes('%'))
}

export function familyOf(ip: Ip): Family {
  return ip.includes(':') ? 6 : 4
}

/** The address as a number. */
export function ipValue(ip: Ip): bigint {
  if (familyOf(ip) === 4) return BigInt(ipv4Number(ip))
  const bytes = Buffer.from(ipBytes(ip))
  return (bytes.readBigUInt64BE(0) << 64n) | bytes.readBigUInt64BE(8)
}

/** The address of that number, as canonical text. */
export function formatIp(family: Family, value: bigint): Ip {
  return family === 4 ? formatIPv4(Number(value)) : canonicalIPv6(new IPv6(value).toString())
}

/** The IPv4 address of that number. Called for every candidate in a search: without big numbers. */
export function formatIPv4(value: number): Ip {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ip
}

/** Network byte order: 4 or 16 bytes. Called for every entry that is written: without big numbers. */
export function ipBytes(ip: Ip): Uint8Array {
  if (familyOf(ip) === 4) return Uint8Array.from(ip.split('.'), Number)
  // `::` stands for the groups that are missing, once at most.
  const [before = [], after = []] = ip.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const bytes = Buffer.alloc(16)
  before.forEach((group, at) => bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * at))
  after.forEach((group, at) => bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - 2 * (after.length - at)))
  return bytes
}

/** @throws OverlayError `invalid`: no subnet, or one with host bits set. */
export function parseCidr(text: string): Cidr {
  return readCidr(text, 'subnet', 'a subnet')
}

/**
 * The range of a subnet that addresses are chosen from.
 * @throws OverlayError `invalid`: no range, or one with host bits set.
 */
export function parseIpRange(text: string): Cidr {
  return readCidr(text, 'ipRange', 'a range')
}

function readCidr(text: string, field: string, what: string): Cidr {
  const [address = '', prefixText = '', ...more] = text.split('/')
  if (!isIpText(address) || !/^(0|[1-9]\d{0,2})$/.test(prefixText) || more.length > 0)
    throw new OverlayError('invalid', `${quote(text)} is not ${what} (write ADDRESS/PREFIX, for example 10.0.9.0/24)`)
  const ip = parseIp(address)
  const family = familyOf(ip)
  const prefix = Number(prefixText)
  if (prefix > bitsOf[family]) {
    const example = cidrAt(family, ipValue(ip), family === 4 ? 24 : 64).text
    throw new OverlayError(
      'invalid',
      `${quote(text)}: an IPv${family} prefix length is at most ${bitsOf[family]} (for example ${example})`,
    )
  }
  const cidr = cidrAt(family, ipValue(ip), prefix)
  if (cidr.first !== ipValue(ip))
    throw new OverlayError('invalid', `${field} ${text} has host bits set: did you mean ${cidr.text}?`)
  return cidr
}

/** The subnet of that prefix length around an address. */
export function cidrAt(family: Family, value: bigint, prefix: number): Cidr {
  const size = 1n << BigInt(bitsOf[family] - prefix)
  const first = value - (value % size)
  return { text: `${formatIp(family, first)}/${prefix}`, family, first, last: first + size - 1n, prefix }
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last
}

/** Whether all of `inner` lies in `outer`; equal ones do. */
export function encloses(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last
}

export function contains(cidr: Cidr, ip: Ip): boolean {
  if (familyOf(ip) !== cidr.family) return false
  const value = ipValue(ip)
  return cidr.first <= value && value <= cidr.last
}

/**
 * The addresses that hosts may have: in IPv4 without the network's and the
 * broadcast address, in IPv6 without the subnet-router anycast address (RFC
 * 4291, 2.6.1).
 */
export function hostRange(cidr: Cidr): { first: bigint; last: bigint } {
  return { first: cidr.first + 1n, last: cidr.family === 4 ? cidr.last - 1n : cidr.last }
}

/**
 * Where a subnet's addresses are chosen from: the host addresses of its range,
 * or of all of it. Without any, `last` is less than `first`.
 */
export function choiceRange(cidr: Cidr, ipRange: Cidr | undefined): { first: bigint; last: bigint } {
  const { first, last } = hostRange(cidr)
  if (!ipRange) return { first, last }
  return { first: first > ipRange.first ? first : ipRange.first, last: last < ipRange.last ? last : ipRange.last }
}

/** Called for every address of a network: without parts to throw away. */
function ipv4Number(ip: Ip): number {
  let value = 0
  let byte = 0
  for (let at = 0; at < ip.length; at++) {
    const digit = ip.charCodeAt(at) - 48
    if (digit >= 0) byte = byte * 10 + digit
    else {
      value = value * 256 + byte
      byte = 0
    }
  }
  return value * 256 + byte
}

/** The URL parser of WHATWG writes IPv6 by RFC 5952. */
function canonicalIPv6(text: string): Ip {
  return new URL(`http://[${text}]`).hostname.slice(1, -1) as Ip
}
