import { describe, expect, it } from 'vitest'
import { parseCidr, parseIp } from '../../lib/ip.ts'
import type { HostRoute } from '../kernel/kernel.ts'
import { mostRoutes, reportOf } from './host-routes.ts'

/** `route 10.0.0.0/16 eth0`; an interface may be missing. */
function route(text: string): HostRoute {
  const [kind = '', cidr = '', via = ''] = text.split(' ')
  return { kind: kind as HostRoute['kind'], cidr: parseCidr(cidr), via }
}
const report = (routes: readonly string[], resolvers: readonly string[] = []) =>
  reportOf(
    { routes: routes.map(route), truncated: false },
    resolvers.map((text) => ({ address: parseIp(text), from: '/etc/resolv.conf' })),
  )
const told = (...args: Parameters<typeof report>) =>
  report(...args).routes.map(({ kind, cidr, via }) => `${kind.toLowerCase()} ${cidr} ${via}`.trim())

describe('reportOf', () => {
  it.each([
    [
      'an address inside its subnet',
      ['address 10.0.0.1/32 eth0', 'route 10.0.0.0/24 eth0'],
      ['route 10.0.0.0/24 eth0'],
    ],
    ['a route inside another', ['route 10.0.3.0/24 eth0', 'route 10.0.0.0/16 eth0'], ['route 10.0.0.0/16 eth0']],
    [
      'routes inside one another',
      ['10.0.3.128/25', '10.0.0.0/8', '10.0.3.0/24'].map((text) => `route ${text} a`),
      ['route 10.0.0.0/8 a'],
    ],
    ['the same in two tables', ['route 10.0.0.0/16 eth0', 'route 10.0.0.0/16 eth0'], ['route 10.0.0.0/16 eth0']],
    ['an address and a route to it', ['address fd00::1/128 a', 'route fd00::1/128 a'], ['route fd00::1/128 a']],
    ['what leads nowhere inside what leads nowhere', ['route 10.0.0.0/8', 'route 10.1.0.0/16'], ['route 10.0.0.0/8']],
  ])('leaves out %s', (_, routes, expected) => {
    expect(told(routes)).toEqual(expected)
    expect(told(routes.toReversed())).toEqual(expected)
  })

  it.each([
    ['by another interface', ['route 10.0.0.0/16 eth0', 'route 10.0.3.0/24 eth1']],
    ['on another interface', ['route 10.0.0.0/16 eth0', 'address 10.0.3.1/32 lo']],
    ['beside it', ['route 10.0.0.0/24 eth0', 'address 10.0.1.0/32 eth0', 'route 10.0.2.0/24 eth0']],
    ['of the other family', ['route 10.0.0.0/24 eth0', 'route fd00::/64 eth0']],
  ])('keeps what is %s, in order', (_, routes) => {
    expect(told(routes.toReversed())).toEqual(routes)
  })

  it('tells resolvers once, also where a route leads to them', () => {
    expect(told(['route 10.0.0.0/8 eth0'], ['10.0.0.53', '9.9.9.9', '10.0.0.53'])).toEqual([
      'resolver 9.9.9.9/32 /etc/resolv.conf',
      'route 10.0.0.0/8 eth0',
      'resolver 10.0.0.53/32 /etc/resolv.conf',
    ])
  })

  it('tells so many at most, the widest, and that there are more', () => {
    const wide = ['route 10.0.0.0/16 eth0', 'route fd00::/64 eth0']
    const hosts = Array.from({ length: mostRoutes }, (_, n) => `route 172.16.${n}.7/32 cali${n}`)
    const { routes, truncated } = report([...hosts, ...wide], ['192.0.2.53'])
    expect(truncated).toBe(true)
    expect(routes).toHaveLength(mostRoutes)
    expect(routes.map(({ cidr }) => cidr)).toEqual(
      expect.arrayContaining(['10.0.0.0/16', 'fd00::/64', '192.0.2.53/32']),
    )
    expect(report(hosts)).toMatchObject({ truncated: false, routes: { length: mostRoutes } })
  })

  it('says that there are more where the kernel told only some', () => {
    expect(reportOf({ routes: [route('route 10.0.0.0/16 eth0')], truncated: true }, [])).toMatchObject({
      truncated: true,
      routes: [{ cidr: '10.0.0.0/16' }],
    })
  })
})
