import { describe, expect, it } from 'vitest'
import { parseCidr } from '../../lib/ip.ts'
import { keepWidest } from './widest-routes.ts'

function kept(most: number, routes: readonly string[]) {
  const widest = keepWidest(most)
  for (const text of routes) {
    const cidr = parseCidr(text)
    if (widest.hasRoomFor(cidr.family, cidr.prefix)) widest.add({ kind: 'route', cidr, via: 'eth0' })
  }
  const { routes: found, truncated } = widest.all()
  return [...found.map(({ cidr }) => cidr.text), ...(truncated ? ['…'] : [])].join(' ')
}

describe('keepWidest', () => {
  it.each([
    [['10.0.0.0/24', '10.0.1.0/24'], '10.0.0.0/24 10.0.1.0/24'],
    [['10.0.0.0/24', '10.0.1.0/24', '10.0.0.0/24', '10.1.0.0/16'], '10.1.0.0/16 10.0.0.0/24 10.0.1.0/24'],
    // Of equal width those that came first.
    [['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', '10.0.3.0/24'], '10.0.0.0/24 10.0.1.0/24 10.0.2.0/24 …'],
    [['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32', '10.0.1.0/24'], '10.0.1.0/24 10.0.0.1/32 10.0.0.2/32 …'],
    [
      ['10.0.0.1/32', '10.0.0.0/8', '10.0.0.3/32', '10.1.0.0/16', '10.0.2.0/24', '10.0.0.4/32'],
      '10.0.0.0/8 10.1.0.0/16 10.0.2.0/24 …',
    ],
    // An IPv4 /16 is as wide as an IPv6 /64.
    [['fd00:1::/64', '10.0.0.0/24', 'fd00:2::/64', 'fd00:3::/56'], 'fd00:3::/56 fd00:1::/64 fd00:2::/64 …'],
  ])('of three: %j', (routes, expected) => {
    expect(kept(3, routes)).toBe(expected)
  })

  it('gives all of its room to wider ones', () => {
    const widest = keepWidest(1_000)
    for (let n = 0; n < 1_000; n++)
      widest.add({ kind: 'route', cidr: parseCidr(`11.0.${n >> 8}.${n & 255}/32`), via: '' })
    for (let n = 0; n < 20_000; n++)
      widest.add({ kind: 'route', cidr: parseCidr(`10.${n >> 8}.${n & 255}.0/24`), via: '' })
    expect(widest.all().routes.every(({ cidr }) => cidr.prefix === 24)).toBe(true)
    expect(widest.all().routes).toHaveLength(1_000)
  })
})
