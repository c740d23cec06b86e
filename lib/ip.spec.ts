import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Cidr,
  cidrAt,
  contains,
  encloses,
  type Family,
  familyOf,
  formatIp,
  hostRange,
  ipBytes,
  ipValue,
  overlaps,
  parseCidr,
  parseIp,
} from './ip.ts'

describe('parseIp', () => {
  it.each([
    ['10.0.9.7', '10.0.9.7'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['fd00::7', 'fd00::7'],
    ['FD00:0:0:0:0:0:0:7', 'fd00::7'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::10.0.9.7', '::a00:907'],
    ['::ffff:10.0.9.7', '::ffff:a00:907'],
  ])('%s is %s', (text, canonical) => {
    expect(parseIp(text)).toBe(canonical)
  })

  it.each(['', '10.0.9', '10.0.9.256', '010.0.9.1', '10.0.9.7/24', 'fe80::1%eth0', '[::1]', ':::', 'web', ' 10.0.9.7'])(
    'refuses %j',
    (text) => {
      expect(() => parseIp(text)).toThrow(`"${text}" is not an IP address`)
    },
  )
})

describe('parseCidr', () => {
  it.each([
    ['10.0.9.7/24', 'subnet 10.0.9.7/24 has host bits set: did you mean 10.0.9.0/24?'],
    ['fd00::7/64', 'subnet fd00::7/64 has host bits set: did you mean fd00::/64?'],
    ['10.0.9.0', '"10.0.9.0" is not a subnet'],
    ['10.0.9.0/', '"10.0.9.0/" is not a subnet'],
    ['/24', '"/24" is not a subnet'],
    ['10.0.9.0/24/8', '"10.0.9.0/24/8" is not a subnet'],
    ['10.0.9.0/-1', '"10.0.9.0/-1" is not a subnet'],
    ['10.0.9.0/33', '"10.0.9.0/33": an IPv4 prefix length is at most 32'],
    ['fd00::/129', '"fd00::/129": an IPv6 prefix length is at most 128'],
    ['web/24', '"web/24" is not a subnet'],
  ])('refuses %s: %s', (text, message) => {
    expect(() => parseCidr(text)).toThrow(message)
  })

  it.each([
    ['10.0.9.0/24', 0x0a000900n, 0x0a0009ffn],
    ['0.0.0.0/0', 0n, 0xffffffffn],
    ['10.0.9.7/32', 0x0a000907n, 0x0a000907n],
    ['::/0', 0n, 2n ** 128n - 1n],
    ['fd00::/120', 0xfd00n << 112n, (0xfd00n << 112n) + 255n],
  ])('%s reaches from %i to %i', (text, first, last) => {
    expect(parseCidr(text)).toMatchObject({ text, first, last })
  })
})

describe('hostRange', () => {
  it.each([
    ['10.0.9.0/24', '10.0.9.1', '10.0.9.254'],
    ['10.0.9.0/30', '10.0.9.1', '10.0.9.2'],
    ['fd00::/64', 'fd00::1', 'fd00::ffff:ffff:ffff:ffff'],
  ])('of %s is %s to %s', (text, first, last) => {
    const cidr = parseCidr(text)
    const range = hostRange(cidr)
    expect([formatIp(cidr.family, range.first), formatIp(cidr.family, range.last)]).toEqual([first, last])
  })

  it('of a subnet that is too small is empty', () => {
    for (const text of ['10.0.9.0/31', '10.0.9.0/32', 'fd00::/128']) {
      const { first, last } = hostRange(parseCidr(text))
      expect(first > last).toBe(true)
    }
  })
})

describe('against a naive oracle', () => {
  const bits = { 4: 32, 6: 128 }
  const family = fc.constantFrom<Family>(4, 6)
  const address = family.chain((family) =>
    fc.record({ family: fc.constant(family), value: fc.bigInt({ min: 0n, max: 2n ** BigInt(bits[family]) - 1n }) }),
  )
  const cidr = address.chain(({ family, value }) =>
    fc.integer({ min: 0, max: bits[family] }).map((prefix) => cidrAt(family, value, prefix)),
  )

  it('what is formatted is parsed again, and is canonical', () => {
    fc.assert(
      fc.property(address, ({ family, value }) => {
        const text = formatIp(family, value)
        expect(ipValue(text)).toBe(value)
        expect(familyOf(text)).toBe(family)
        expect(parseIp(text)).toBe(text)
        if (family === 6) expect(parseIp(text.toUpperCase())).toBe(text)
        expect(BigInt(`0x${Buffer.from(ipBytes(text)).toString('hex')}`)).toBe(value)
        expect(ipBytes(text)).toHaveLength(bits[family] / 8)
      }),
    )
  })

  it('a subnet holds exactly the addresses that share its first bits', () => {
    fc.assert(
      fc.property(cidr, address, (cidr, { family, value }) => {
        const ip = formatIp(family, value)
        expect(contains(cidr, ip)).toBe(family === cidr.family && isWithin(cidr, value))
        expect(parseCidr(cidr.text)).toEqual(cidr)
      }),
    )
  })

  it('subnets overlap when one holds the first address of the other', () => {
    // Beside each other, so that overlaps are as frequent as neighbours.
    const near = cidr.chain((a) =>
      fc
        .record({ prefix: fc.integer({ min: 0, max: bits[a.family] }), step: fc.bigInt({ min: -2n, max: 2n }) })
        .map(({ prefix, step }) => {
          const size = 2n ** BigInt(bits[a.family])
          return [a, cidrAt(a.family, (a.first + step * (a.last - a.first + 1n) + 2n * size) % size, prefix)] as const
        }),
    )
    fc.assert(
      fc.property(near, ([a, b]) => {
        const expected = isWithin(a, b.first) || isWithin(b, a.first)
        expect(overlaps(a, b)).toBe(expected)
        expect(overlaps(b, a)).toBe(expected)
        expect(encloses(a, b)).toBe(isWithin(a, b.first) && a.prefix <= b.prefix)
      }),
    )
  })

  it('subnets of different families never overlap', () => {
    expect(overlaps(parseCidr('0.0.0.0/0'), parseCidr('::/0'))).toBe(false)
    expect(encloses(parseCidr('::/0'), parseCidr('10.0.0.0/8'))).toBe(false)
    expect(contains(parseCidr('::/0'), parseIp('10.0.9.7'))).toBe(false)
  })

  function isWithin({ first, prefix, family }: Cidr, value: bigint): boolean {
    const rest = BigInt(bits[family] - prefix)
    return first >> rest === value >> rest
  }
})
