/** Addresses and subnets, IPv4 and IPv6: plain values and arithmetic. */

import { isIPv4, isIPv6 } from 'node:net'
import { IPv4, IPv6 } from 'ip-num'
import { OverlayError } from './errors.ts'

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
  if (isIPv6(text) && !text.includes('%')) return formatIp(6, new IPv6(expandEmbeddedIPv4(text)).getValue())
  throw new OverlayError('invalid', `"${text}" is not an IP address (for example 10.0.9.7 or fd00::7)`)
}

export function familyOf(ip: Ip): Family {
  return ip.includes(':') ? 6 : 4
}

/** The address as a number. */
export function ipValue(ip: Ip): bigint {
  return familyOf(ip) === 4 ? new IPv4(ip).getValue() : new IPv6(ip).getValue()
}

/** The address of that number, as canonical text. */
export function formatIp(family: Family, value: bigint): Ip {
  if (family === 4) return new IPv4(value).toString() as Ip
  // The URL parser of WHATWG writes IPv6 by RFC 5952.
  return new URL(`http://[${new IPv6(value).toString()}]`).hostname.slice(1, -1) as Ip
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
  const [address, prefixText, ...more] = text.split('/')
  if (!address || prefixText === undefined || !/^\d{1,3}$/.test(prefixText) || more.length > 0)
    throw new OverlayError('invalid', `"${text}" is not a subnet (write ADDRESS/PREFIX, for example 10.0.9.0/24)`)
  const ip = parseIp(address)
  const family = familyOf(ip)
  const prefix = Number(prefixText)
  if (prefix > bitsOf[family])
    throw new OverlayError('invalid', `"${text}": an IPv${family} prefix length is at most ${bitsOf[family]}`)
  const cidr = cidrAt(family, ipValue(ip), prefix)
  if (cidr.first !== ipValue(ip))
    throw new OverlayError('invalid', `subnet ${text} has host bits set: did you mean ${cidr.text}?`)
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

function expandEmbeddedIPv4(text: string): string {
  const at = text.lastIndexOf(':') + 1
  const tail = text.slice(at)
  if (!tail.includes('.')) return text
  const value = new IPv4(tail).getValue()
  return `${text.slice(0, at)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`
}
