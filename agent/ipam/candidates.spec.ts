import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cidrAt, contains, type Family, hostRange, type Ip, ipValue, parseCidr } from '../../lib/ip.ts'
import { createCandidates } from './candidates.ts'

const bits = { 4: 32, 6: 128 }
/** Subnets with at most 1024 hosts, of both families. */
const smallSubnet = fc.constantFrom<Family>(4, 6).chain((family) =>
  fc
    .record({
      value: fc.bigInt({ min: 0n, max: 2n ** BigInt(bits[family]) - 1n }),
      host: fc.integer({ min: 2, max: 10 }),
    })
    .map(({ value, host }) => cidrAt(family, value, bits[family] - host)),
)
const node = fc.string()

describe('createCandidates', () => {
  it('gives each host address once in a turn, and never one that is not for hosts', () => {
    fc.assert(
      fc.property(smallSubnet, node, (cidr, node) => {
        const { first, last } = hostRange(cidr)
        const candidates = createCandidates(cidr, node)
        const turn = Array.from({ length: Number(last - first + 1n) }, () => candidates.next(() => false))
        expect(new Set(turn).size).toBe(turn.length)
        expect(turn.every((ip) => ip && contains(cidr, ip) && ipValue(ip) >= first && ipValue(ip) <= last)).toBe(true)
        // And then the same again.
        expect(candidates.next(() => false)).toBe(turn[0])
      }),
    )
  })

  it('finds the only free one, wherever it is, and knows when there is none', () => {
    fc.assert(
      fc.property(smallSubnet, node, fc.nat(), (cidr, node, at) => {
        const all: Ip[] = []
        createCandidates(cidr, node).next((ip) => {
          all.push(ip)
          return true
        })
        const free = all[at % all.length]
        const candidates = createCandidates(cidr, node)
        expect(candidates.next((ip) => ip !== free)).toBe(free)
        expect(candidates.next((ip) => ip !== free)).toBe(free)
        expect(candidates.next(() => true)).toBeUndefined()
      }),
    )
  })

  it('goes on where it ended, so that what was given back comes last', () => {
    const candidates = createCandidates(parseCidr('10.0.9.0/29'), 'host-1')
    const taken = new Set<Ip>()
    const take = () => {
      const ip = candidates.next((candidate) => taken.has(candidate))
      if (ip) taken.add(ip)
      return ip
    }
    const first = take()
    taken.delete(first as Ip)
    const rest = [take(), take(), take(), take(), take()]
    expect(rest).not.toContain(first)
    expect(take()).toBe(first)
  })

  it('hosts start apart, and each always at the same point', () => {
    const cidr = parseCidr('10.0.0.0/16')
    const starts = Array.from({ length: 20 }, (_, n) => createCandidates(cidr, `host-${n}`).next(() => false))
    expect(new Set(starts).size).toBe(20)
    expect(createCandidates(cidr, 'host-3').next(() => false)).toBe(starts[3])
  })

  it('gives up after so many as it was told', () => {
    const candidates = createCandidates(parseCidr('fd00::/64'), 'host-1')
    let asked = 0
    const isTaken = () => ++asked > 0
    expect(candidates.next(isTaken, 100)).toBeUndefined()
    expect(asked).toBe(100)
  })

  it.each(['10.0.9.0/31', '10.0.9.7/32', 'fd00::7/128'])('%s has no address for hosts', (text) => {
    expect(createCandidates(parseCidr(text), 'host-1').next(() => false)).toBeUndefined()
  })
})
