import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cidr, overlaps, parseCidr } from '../../lib/ip.ts'
import { parseVni } from '../../lib/vni.ts'
import { freeSubnet, nextVni, refuseOverlap } from './allocate.ts'

const range = { min: parseVni(100), max: parseVni(103) }
const taken = (text: string, by = 'network web') => ({ cidr: parseCidr(text), by })
const pool = (text: string, size: number) => ({ cidr: parseCidr(text), size })

describe('nextVni', () => {
  it.each([
    ['from the lowest', undefined, [], 100, 101],
    ['from the cursor', 102, [], 102, 103],
    ['past those in use', 101, [101, 102], 103, 100],
    ['round the end', 103, [103], 100, 101],
    ['from the lowest when the cursor is of another range', 7, [], 100, 101],
  ])('goes %s', (_, cursor, used, vni, next) => {
    expect(nextVni(range, cursor, new Set(used))).toEqual({ vni, next })
  })

  it('says when all are in use', () => {
    expect(() => nextVni(range, 102, new Set([100, 101, 102, 103]))).toThrow('all 4 VNIs from 100 to 103 are in use')
  })

  it('gives a freed VNI again only after all others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.array(fc.nat()), (size, picks) => {
        const wide = { min: parseVni(1), max: parseVni(size) }
        const used = new Set<number>()
        const freedAt = new Map<number, number>()
        let cursor: number | undefined
        picks.forEach((pick, turn) => {
          if (used.size > 0 && pick % 2 === 0) {
            const victim = [...used][pick % used.size] as number
            used.delete(victim)
            freedAt.set(victim, turn)
            return
          }
          if (used.size === size) return
          const given = nextVni(wide, cursor, used)
          expect(used.has(given.vni)).toBe(false)
          const others = Array.from({ length: size }, (_, n) => n + 1).filter(
            (vni) => !used.has(vni) && vni !== given.vni,
          )
          // Never handed out before one that nobody has ever had.
          if (freedAt.has(given.vni) && used.size + freedAt.size < size)
            expect(others.every((vni) => freedAt.has(vni) || vni < given.vni)).toBe(true)
          used.add(given.vni)
          freedAt.delete(given.vni)
          cursor = given.next
        })
      }),
    )
  })
})

describe('refuseOverlap', () => {
  it.each([
    ['10.0.9.0/24', '10.0.0.0/16'],
    ['10.0.0.0/16', '10.0.9.0/24'],
    ['10.0.9.0/24', '10.0.9.0/24'],
    ['fd00::/64', 'fd00::/64'],
  ])('refuses %s beside %s', (asked, there) => {
    expect(() => refuseOverlap([parseCidr(asked)], { cluster: [taken(there)], hosts: [] })).toThrow(
      `subnet ${asked} overlaps ${there} of network web`,
    )
  })

  it('names all at once', () => {
    const subnets = [parseCidr('10.0.0.0/16'), parseCidr('fd00::/64')]
    const there = [
      taken('10.0.9.0/24', 'network a'),
      taken('fd00::/65', 'network b'),
      taken('10.1.0.0/24', 'network c'),
    ]
    expect(() => refuseOverlap(subnets, { cluster: there, hosts: [] })).toThrow(/network a.*network b(?!.*network c)/)
  })

  it('lets neighbours be', () => {
    const there = [taken('10.0.8.0/24'), taken('10.0.10.0/24'), taken('fd00::/64')]
    refuseOverlap([parseCidr('10.0.9.0/24')], { cluster: there, hosts: there })
  })

  it('offers what can be allowed, and only that', () => {
    const subnets = [parseCidr('10.0.9.0/24')]
    const hosts = [taken('10.0.0.0/8', 'node n1 (route by tun0)')]
    expect(() => refuseOverlap(subnets, { cluster: [], hosts })).toThrow(
      'subnet 10.0.9.0/24 overlaps 10.0.0.0/8 of node n1 (route by tun0): choose another subnet, or allow it with --allow-overlap',
    )
    const cluster = [taken('10.0.9.7/32', "node n2's VTEP")]
    expect(() => refuseOverlap(subnets, { cluster, hosts })).toThrow(/n2's VTEP; .*tun0\): choose another subnet$/)
  })
})

describe('freeSubnet', () => {
  it.each<[string, string[], string]>([
    ['the first', [], '10.64.0.0/24'],
    ['the next', ['10.64.0.0/24'], '10.64.1.0/24'],
    ['a gap', ['10.64.0.0/24', '10.64.2.0/24'], '10.64.1.0/24'],
    ['past a larger one', ['10.64.0.0/22'], '10.64.4.0/24'],
    ['past a small one', ['10.64.0.128/30'], '10.64.1.0/24'],
    ['past one that began before the pool', ['10.0.0.0/9'], '10.128.0.0/24'],
    ['past overlapping ones', ['10.64.0.0/16', '10.64.1.0/24'], '10.65.0.0/24'],
  ])('gives %s', (_, there, expected) => {
    const pools = [pool('10.64.0.0/10', 24), pool('10.128.0.0/16', 24)]
    expect(
      freeSubnet(
        pools,
        there.map((text) => taken(text)),
      ).text,
    ).toBe(expected)
  })

  it('says when the pools are used up', () => {
    expect(() => freeSubnet([pool('10.64.0.0/24', 25)], [taken('10.64.0.0/25'), taken('10.64.0.128/25')])).toThrow(
      'no subnet is left in the pools (10.64.0.0/24:25): name one',
    )
  })

  it('says what covers a pool as a whole', () => {
    const there = [taken('10.0.0.0/8', 'node n1 (route by tun0)')]
    expect(() => freeSubnet([pool('10.64.0.0/24', 25)], there)).toThrow(
      '10.0.0.0/8 of node n1 (route by tun0) covers all of one: name one (--subnet)',
    )
  })

  it('never overlaps, fills the pool to the last one', () => {
    const foreign = fc.record({ at: fc.nat(255), prefix: fc.integer({ min: 22, max: 30 }) })
    fc.assert(
      fc.property(fc.array(foreign, { maxLength: 8 }), (others) => {
        const there: Cidr[] = others.map(({ at, prefix }) => {
          const size = 2 ** (32 - prefix)
          const offset = Math.floor((at * 16) / size) * size
          return parseCidr(`10.9.${Math.floor(offset / 256)}.${offset % 256}/${prefix}`)
        })
        const given: Cidr[] = []
        for (;;) {
          const all = [...there, ...given].map((cidr) => ({ cidr, by: 'x' }))
          try {
            const cidr = freeSubnet([pool('10.9.0.0/20', 24)], all)
            expect(all.some((other) => overlaps(other.cidr, cidr))).toBe(false)
            given.push(cidr)
          } catch {
            break
          }
        }
        const free = Array.from({ length: 16 }, (_, n) => parseCidr(`10.9.${n}.0/24`))
        expect(given.length).toBe(free.filter((cidr) => !there.some((other) => overlaps(other, cidr))).length)
      }),
    )
  })
})
