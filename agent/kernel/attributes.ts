/**
 * Netlink attributes (struct nlattr in linux/netlink.h): length and type in 16
 * bits each, host byte order, then the value, padded to four bytes. Pure.
 * Node runs with our system calls on little-endian machines only.
 */

/** A value, or attributes nested in this one. */
export interface Attribute {
  readonly type: number
  readonly value: Uint8Array | readonly Attribute[]
}

/** One that is a value. */
export interface PlainAttribute extends Attribute {
  readonly value: Uint8Array
}

export type Attributes = ReadonlyMap<number, Buffer>

const headerLength = 4
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const typeMask = 0x3fff

export const none: Attributes = new Map()

export const align = (length: number): number => (length + 3) & ~3

export function bytes(type: number, value: Uint8Array): PlainAttribute {
  return { type, value }
}

export function nest(type: number, value: readonly Attribute[]): Attribute {
  return { type, value }
}

export function u8(type: number, value: number): PlainAttribute {
  return { type, value: Uint8Array.of(value) }
}

export function u32(type: number, value: number): PlainAttribute {
  const buffer = Buffer.allocUnsafe(4)
  buffer.writeUInt32LE(value)
  return { type, value: buffer }
}

/** 16 bits in network byte order, as ports are. */
export function be16(type: number, value: number): Attribute {
  return { type, value: Uint8Array.of(value >> 8, value & 0xff) }
}

/** Text with a terminating zero byte. */
export function text(type: number, value: string): Attribute {
  return { type, value: Buffer.from(`${value}\0`) }
}

/** What `attributes` take when encoded, in bytes. */
export function encodedLength(attributes: readonly Attribute[]): number {
  let length = 0
  for (const { value } of attributes) length += headerLength + align(valueLength(value))
  return length
}

export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  const buffer = Buffer.alloc(encodedLength(attributes))
  writeAttributes(buffer, 0, attributes)
  return buffer
}

/** Writes `attributes` at `offset`; the place must be zeroed. @returns the offset behind them. */
export function writeAttributes(into: Buffer, offset: number, attributes: readonly Attribute[]): number {
  let at = offset
  for (const { type, value } of attributes) {
    const length = valueLength(value)
    into.writeUInt16LE(headerLength + length, at)
    into.writeUInt16LE(type, at + 2)
    if (isNested(value)) writeAttributes(into, at + headerLength, value)
    else into.set(value, at + headerLength)
    at += headerLength + align(length)
  }
  return at
}

/** The attributes in `buffer`, by type; what is cut off is left out. The values are views. */
export function readAttributes(buffer: Buffer | undefined): Attributes {
  if (!buffer) return none
  const found = new Map<number, Buffer>()
  let at = 0
  while (at + headerLength <= buffer.length) {
    const length = buffer.readUInt16LE(at)
    if (length < headerLength || at + length > buffer.length) break
    found.set(buffer.readUInt16LE(at + 2) & typeMask, buffer.subarray(at + headerLength, at + length))
    at += align(length)
  }
  return found
}

/** Text up to its zero byte; empty without a value. */
export function readText(value: Buffer | undefined): string {
  if (!value) return ''
  const end = value.indexOf(0)
  return value.toString('utf8', 0, end < 0 ? value.length : end)
}

export function readU8(value: Buffer | undefined): number | undefined {
  return value?.[0]
}

export function readU32(value: Buffer | undefined): number | undefined {
  return value && value.length >= 4 ? value.readUInt32LE(0) : undefined
}

export function readBe16(value: Buffer | undefined): number | undefined {
  return value && value.length >= 2 ? value.readUInt16BE(0) : undefined
}

function isNested(value: Attribute['value']): value is readonly Attribute[] {
  return !(value instanceof Uint8Array)
}

function valueLength(value: Attribute['value']): number {
  return isNested(value) ? encodedLength(value) : value.length
}
