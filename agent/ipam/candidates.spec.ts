import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cidr, cidrAt, contains, type Family, hostRange, type Ip, ipValue, parseCidr } from '../../lib/ip.ts'
import { type Candidates, createCandidates } from './candidates.ts'

const bits = { 4: 32, 6: 128 }
/** Subnets with at most 1024 hosts, of both families, and a range in each. */
const subnetAndRange = fc.constantFrom<Family>(4, 6).chain((family) =>
  fc
    .record({
      value: fc.bigInt({ min: 0n, max: 2n ** BigInt(bits[family]) - 1n }),
      host: fc.integer({ min: 2, max: 10 }),
      within: fc.nat(),
      smaller: fc.integer({ min: 0, max: 10 }),
    })
    .map(({ value, host, within, smaller }) => {
      const cidr = cidrAt(family, value, bits[family] - host)
      const offset = BigInt(within) % (cidr.last - cidr.first + 1n)
      return { cidr, range: cidrAt(family, cidr.first + offset, Math.min(bits[family], cidr.prefix + smaller)) }
    }),
)
const node = fc.string()

function hostsOf(cidr: Cidr, range: Cidr): number {
  const { first, last } = hostRange(cidr)
  const from = first > range.first ? first : range.first
  const to = last < range.last ? last : range.last
  return Math.max(0, Number(to - from) + 1)
}

/** All that a turn gives, with a jump before every address whose number is in `jumps`. */
function wholeTurn(candidates: Candidates, jumps: ReadonlySet<number> = new Set()): Ip[] {
  const turn: Ip[] = []
  for (;;) {
    if (jumps.has(turn.length)) candidates.jump()
    const ip = candidates.next(() => false)
    if (!ip) return turn
    turn.push(ip)
  }
}

describe('createCandidates', () => {
  it('gives each host address of the range once in a turn, however often it jumps, and no other', () => {
    const jumps = fc.uniqueArray(fc.nat({ max: 1100 }))
    fc.assert(
      fc.property(subnetAndRange, node, jumps, ({ cidr, range }, node, jumps) => {
        const { first, last } = hostRange(cidr)
        const candidates = createCandidates(cidr, range, node)
        const turn = wholeTurn(candidates, new Set(jumps))
        expect(new Set(turn).size).toBe(turn.length)
        expect(turn.length).toBe(hostsOf(cidr, range))
        expect(turn.every((ip) => contains(range, ip) && ipValue(ip) >= first && ipValue(ip) <= last)).toBe(true)
        expect(candidates.next(() => false)).toBeUndefined()
      }),
    )
  })

  it('finds the only free one, wherever it is', () => {
    fc.assert(
      fc.property(subnetAndRange, node, fc.nat(), ({ cidr }, node, at) => {
        const all = wholeTurn(createCandidates(cidr, cidr, node))
        const free = all[at % all.length]
        const candidates = createCandidates(cidr, cidr, node)
        expect(candidates.next((ip) => ip !== free)).toBe(free)
        expect(candidates.next((ip) => ip !== free)).toBeUndefined()
      }),
    )
  })

  it('a host’s addresses follow each other, until it jumps', () => {
    const cidr = parseCidr('10.0.0.0/16')
    const candidates = createCandidates(cidr, cidr, 'host-1')
    const values = () => Array.from({ length: 8 }, () => Number(ipValue(candidates.next(() => false) as Ip)))
    const [first, then] = [values(), values()]
    expect(first.map((value) => value - (first[0] ?? 0))).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(then[0]).toBe((first[7] ?? 0) + 1)
    candidates.jump()
    expect(Math.abs((values()[0] ?? 0) - (then[7] ?? 0))).toBeGreaterThan(16)
  })

  it('hosts start apart, and each always at the same point', () => {
    const cidr = parseCidr('10.0.0.0/16')
    const first = (n: number) => createCandidates(cidr, cidr, `host-${n}`).next(() => false)
    expect(new Set(Array.from({ length: 20 }, (_, n) => first(n))).size).toBe(20)
    expect(first(3)).toBe(first(3))
  })

  it('hosts that meet part again at the next run', () => {
    const cidr = parseCidr('10.0.0.0/16')
    const turns = ['host-1', 'host-2'].map((name) => wholeTurn(createCandidates(cidr, cidr, name)))
    const [one = [], other = []] = turns
    const met = one.filter((ip, at) => ip === other[at])
    expect(met.length).toBeLessThan(64)
  })

  it('of a large IPv6 subnet gives short addresses, from its beginning', () => {
    const cidr = parseCidr('fd00:9::/64')
    const candidates = createCandidates(cidr, cidr, 'host-1')
    for (let n = 0; n < 100; n++)
      expect(candidates.next(() => false)).toMatch(/^fd00:9::([0-9a-f]{1,4}:)?[0-9a-f]{1,4}$/)
  })

  it.each([
    ['10.0.9.0/31', '10.0.9.0/31'],
    ['10.0.9.7/32', '10.0.9.7/32'],
    ['fd00::7/128', 'fd00::7/128'],
    ['10.0.9.0/24', '10.0.9.0/32'],
    ['10.0.9.0/24', '10.0.9.255/32'],
  ])('%s with the range %s has no address for hosts', (cidr, range) => {
    expect(createCandidates(parseCidr(cidr), parseCidr(range), 'host-1').next(() => false)).toBeUndefined()
  })
})
