import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Cidr,
  cidrAt,
  contains,
  encloses,
  type Family,
  formatIp,
  hostRange,
  ipBytes,
  ipValue,
  overlaps,
  parseCidr,
  parseIp,
} from './ip.ts'

/**
 * The oracle: an address is a list of bits, the highest first. It writes and
 * compares them one by one and shares nothing with what it is compared with.
 */
type Bits = readonly (0 | 1)[]

const widthOf = { 4: 32, 6: 128 } as const
const families = [4, 6] as const

const bit = fc.constantFrom<0 | 1>(0, 1)
/** Long runs of equal bits are as frequent as noise: `::`, broadcast addresses, carries. */
const bitsOf = (family: Family): fc.Arbitrary<Bits> => {
  const width = widthOf[family]
  const noise = fc.array(bit, { minLength: width, maxLength: width })
  const runs = fc
    .array(fc.tuple(bit, fc.integer({ min: 1, max: 48 })), { minLength: 1, maxLength: 12 })
    .map((parts) => {
      const bits = parts.flatMap(([value, count]) => Array.from({ length: count }, () => value))
      return Array.from({ length: width }, (_, at) => bits[at] ?? 0)
    })
  return fc.oneof(noise, runs)
}

function octetsOf(bits: Bits): number[] {
  return chunks(bits, 8).map(numberOf)
}

function chunks(bits: Bits, size: number): Bits[] {
  return Array.from({ length: bits.length / size }, (_, at) => bits.slice(at * size, (at + 1) * size))
}

function numberOf(bits: Bits): number {
  let value = 0
  for (const bit of bits) value = value * 2 + bit
  return value
}

function bigOf(bits: Bits): bigint {
  return BigInt(`0b${bits.join('')}`)
}

/** Every group with all its digits: what nobody prints, and everybody can read. */
function longText(bits: Bits): string {
  if (bits.length === 32) return octetsOf(bits).join('.')
  return chunks(bits, 16)
    .map((group) => numberOf(group).toString(16).padStart(4, '0'))
    .join(':')
}

/**
 * RFC 5952, section 4.2, by trying every row of at least two zero groups that
 * could be left out: the longest, of equal ones the first.
 */
function canonicalText(bits: Bits): string {
  if (bits.length === 32) return longText(bits)
  const groups = chunks(bits, 16).map((group) => numberOf(group).toString(16))
  let best = { omitted: 0, text: groups.join(':') }
  for (let from = 0; from < 8; from++)
    for (let to = from + 2; to <= 8; to++) {
      const zeros = groups.slice(from, to).every((group) => group === '0')
      if (zeros && to - from > best.omitted)
        best = { omitted: to - from, text: `${groups.slice(0, from).join(':')}::${groups.slice(to).join(':')}` }
    }
  return best.text
}

function filled(bits: Bits, prefix: number, rest: 0 | 1): Bits {
  return bits.map((value, at) => (at < prefix ? value : rest))
}

function sameBeginning(a: Bits, b: Bits, length: number): boolean {
  return a.slice(0, length).every((value, at) => value === b[at])
}

/** The next address; all zeros after the last. */
function plusOne(bits: Bits): Bits {
  const at = bits.lastIndexOf(0)
  return bits.map((value, i) => (i < at ? value : i === at ? 1 : 0))
}

function minusOne(bits: Bits): Bits {
  const at = bits.lastIndexOf(1)
  return bits.map((value, i) => (i < at ? value : i === at ? 0 : 1))
}

/** Compared digit by digit, as one compares written numbers. */
function isAtMost(a: Bits, b: Bits): boolean {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 || (a[at] ?? 0) < (b[at] ?? 0)
}

/** What shares a beginning of any length with an address. */
const near = (bits: Bits) =>
  fc
    .tuple(bitsOf(bits.length === 32 ? 4 : 6), fc.integer({ min: 0, max: bits.length }))
    .map(([other, shared]) => bits.map((value, at) => (at < shared ? value : (other[at] ?? 0))))

const subnet = (family: Family) => fc.tuple(bitsOf(family), fc.integer({ min: 0, max: widthOf[family] }))

describe.each(families)('IPv%d', (family) => {
  const width = widthOf[family]
  const runs = { numRuns: 150 }
  const cidr = (bits: Bits, prefix: number): Cidr => cidrAt(family, bigOf(bits), prefix)
  const check = <T>(arbitrary: fc.Arbitrary<T>, predicate: (value: T) => void) =>
    fc.assert(fc.property(arbitrary, predicate), runs)

  it('is read from its longest text, and written in its canonical one', () => {
    check(bitsOf(family), (bits) => {
      const ip = parseIp(longText(bits))
      expect(ip).toBe(canonicalText(bits))
      expect(parseIp(ip)).toBe(ip)
      expect(formatIp(family, bigOf(bits))).toBe(ip)
      expect(ipValue(ip)).toBe(bigOf(bits))
      expect([...ipBytes(ip)]).toEqual(octetsOf(bits))
    })
  })

  it('is in a subnet when it begins as that does', () => {
    const pair = subnet(family).chain(([bits, prefix]) => fc.tuple(fc.constant(bits), fc.constant(prefix), near(bits)))
    check(pair, ([bits, prefix, address]) => {
      expect(contains(cidr(bits, prefix), parseIp(longText(address)))).toBe(sameBeginning(bits, address, prefix))
    })
  })

  it('is in a subnet that reaches from all zeros to all ones', () => {
    check(subnet(family), ([bits, prefix]) => {
      const [first, last] = [filled(bits, prefix, 0), filled(bits, prefix, 1)]
      expect(cidr(bits, prefix)).toEqual({
        text: `${canonicalText(first)}/${prefix}`,
        family,
        first: bigOf(first),
        last: bigOf(last),
        prefix,
      })
    })
  })

  it('makes a subnet only without host bits, and the message has the right one', () => {
    check(subnet(family), ([bits, prefix]) => {
      const network = filled(bits, prefix, 0)
      const right = `${canonicalText(network)}/${prefix}`
      const parse = () => parseCidr(`${longText(bits)}/${prefix}`)
      if (bits.every((value, at) => value === network[at])) expect(parse().text).toBe(right)
      else expect(parse).toThrow(`has host bits set: did you mean ${right}?`)
      expect(parseCidr(right)).toEqual(cidr(bits, prefix))
    })
  })

  it('is shared by two subnets when one is in the other', () => {
    const pair = subnet(family).chain(([bits, prefix]) =>
      fc.tuple(fc.constant(bits), fc.constant(prefix), near(bits), fc.integer({ min: 0, max: width })),
    )
    check(pair, ([a, aPrefix, b, bPrefix]) => {
      // Bit by bit: an address is in both when it can begin as both do.
      const expected = sameBeginning(a, b, Math.min(aPrefix, bPrefix))
      expect(overlaps(cidr(a, aPrefix), cidr(b, bPrefix))).toBe(expected)
      expect(overlaps(cidr(b, bPrefix), cidr(a, aPrefix))).toBe(expected)
      expect(encloses(cidr(a, aPrefix), cidr(b, bPrefix))).toBe(expected && aPrefix <= bPrefix)
    })
  })

  it("is a host's between the first and the last of a subnet", () => {
    check(subnet(family), ([bits, prefix]) => {
      const { first, last } = hostRange(cidr(bits, prefix))
      const [lowest, highest] = [filled(bits, prefix, 0), filled(bits, prefix, 1)]
      // IPv6 has no broadcast address.
      const isTooSmall = width - prefix < (family === 4 ? 2 : 1)
      const [from, to] = [plusOne(lowest), family === 4 ? minusOne(highest) : highest]
      if (isTooSmall) expect(first > last).toBe(true)
      else expect([first, last]).toEqual([bigOf(from), bigOf(to)])
      expect(isTooSmall || isAtMost(from, to)).toBe(true)
    })
  })
})

it('subnets and addresses of two families have nothing in common', () => {
  fc.assert(
    fc.property(subnet(4), subnet(6), ([a, aPrefix], [b, bPrefix]) => {
      const [four, six] = [cidrAt(4, bigOf(a), aPrefix), cidrAt(6, bigOf(b), bPrefix)]
      expect(overlaps(four, six) || overlaps(six, four)).toBe(false)
      expect(encloses(four, six) || encloses(six, four)).toBe(false)
      expect(contains(four, parseIp(longText(b))) || contains(six, parseIp(longText(a)))).toBe(false)
    }),
    { numRuns: 50 },
  )
})
