import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cidrAt, overlaps, parseCidr } from '../../lib/ip.ts'
import { subnetFault } from '../../lib/requests/subnets.ts'
import { ulaSubnet } from './ula.ts'

const uid = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: 32, maxLength: 32 })

it('is a /64 of fd00::/8, in one /48 for each cluster', () => {
  fc.assert(
    fc.property(uid, uid, uid, (cluster, one, two) => {
      const [a, b] = [ulaSubnet(cluster, one, []), ulaSubnet(cluster, two, [])]
      expect(a.prefix).toBe(64)
      expect(overlaps(parseCidr('fd00::/8'), a)).toBe(true)
      expect(cidrAt(6, a.first, 48)).toEqual(cidrAt(6, b.first, 48))
      expect(subnetFault(a)).toBeUndefined()
      expect(ulaSubnet(cluster, one, [])).toEqual(a)
    }),
  )
  expect(cidrAt(6, ulaSubnet('a', 'n', []).first, 48)).not.toEqual(cidrAt(6, ulaSubnet('b', 'n', []).first, 48))
})

it('goes past what is taken, round the end, and says when nothing is left', () => {
  const first = ulaSubnet('c', 'n', [])
  const site = cidrAt(6, first.first, 48)
  const second = ulaSubnet('c', 'n', [{ cidr: first, by: 'network web' }])
  expect(second.first).toBe(first.last + 1n)
  const upToTheEnd = Array.from({ length: 48 }, (_, n) => cidrAt(6, site.last, 49 + n)).filter(
    (cidr) => cidr.first >= first.first,
  )
  const wide = [first, ...upToTheEnd].map((cidr) => ({ cidr, by: 'x' }))
  expect(overlaps(site, ulaSubnet('c', 'n', wide))).toBe(true)
  expect(wide.some(({ cidr }) => overlaps(cidr, ulaSubnet('c', 'n', wide)))).toBe(false)
  expect(() => ulaSubnet('c', 'n', [{ cidr: parseCidr('fc00::/7'), by: 'node n1' }])).toThrow(
    `no unique local subnet is left in ${site.text}`,
  )
})
