import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp, ipBytes, parseIp } from '../../lib/ip.ts'
import { macBytes, parseMac } from '../../lib/mac.ts'
import { readIp, readMac } from './byte-addresses.ts'

/** With many zero groups, where the text is shortened. */
const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })

test('IPv6 is read as the canonical text, and written back to the same bytes', () => {
  fc.assert(
    fc.property(groups, (some) => {
      const value = Buffer.from(some.map((group) => group.toString(16).padStart(4, '0')).join(''), 'hex')
      const ip = readIp(value)
      expect(ip).toBe(formatIp(6, BigInt(`0x${value.toString('hex')}`)))
      if (ip) expect(Buffer.from(ipBytes(ip)).equals(value)).toBe(true)
    }),
  )
})

test('IPv4 and MAC addresses, there and back', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const ip = parseIp(address)
      expect(readIp(Buffer.from(ipBytes(ip)))).toBe(ip)
    }),
  )
  const mac = parseMac('02:42:0a:00:09:ff')
  expect(readMac(Buffer.from(macBytes(mac)))).toBe(mac)
})

test('what has another length is no address', () => {
  expect(readIp(Buffer.alloc(3))).toBeUndefined()
  expect(readIp(undefined)).toBeUndefined()
  expect(readMac(Buffer.alloc(4))).toBeUndefined()
})
