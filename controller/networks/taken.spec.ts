import { describe, expect, it } from 'vitest'
import { parseCidr } from '../../lib/ip.ts'
import { HostRoutes, type Init, Network, Node } from '../../proto/index.ts'
import { beyond, type Taken, takenByCluster, takenByHosts } from './taken.ts'

const texts = (taken: readonly Taken[]) => taken.map(({ cidr, by }) => `${cidr.text} of ${by}`)
const host = (node: string, ...routes: NonNullable<Init<HostRoutes>['routes']>) => ({
  node,
  routes: HostRoutes.create({ routes }),
})

it('takenByCluster names networks and VTEPs', () => {
  const networks = [Network.create({ name: 'web', subnets: [{ cidr: '10.0.9.0/24' }, { cidr: 'fd00::/64' }] })]
  const nodes = [
    Node.create({ name: 'n1', vtepAddress: '192.0.2.1' }),
    Node.create({ name: 'n2', vtepAddress: 'fd01::1' }),
  ]
  expect(texts(takenByCluster(networks, nodes))).toEqual([
    '10.0.9.0/24 of network web',
    'fd00::/64 of network web',
    "192.0.2.1/32 of node n1's VTEP",
    "fd01::1/128 of node n2's VTEP",
  ])
})

describe('takenByHosts', () => {
  it('tells routes, addresses and resolvers, each once, and no default routes', () => {
    const routes = takenByHosts([
      host(
        'n1',
        { kind: 'ROUTE', cidr: '0.0.0.0/0', via: 'eth0' },
        { kind: 'ROUTE', cidr: '::/0', via: 'eth0' },
        { kind: 'ROUTE', cidr: '10.0.0.0/8', via: 'tun0' },
        { kind: 'ADDRESS', cidr: '10.0.0.7/32', via: 'tun0' },
        { kind: 'RESOLVER', cidr: '10.0.0.53/32', via: '/etc/resolv.conf' },
      ),
      host(
        'n2',
        { kind: 'ROUTE', cidr: '10.0.0.0/8', via: 'tun1' },
        { kind: 'ROUTE', cidr: '10.0.0.0/8', via: 'tun2' },
      ),
    ])
    expect(texts(routes)).toEqual([
      '10.0.0.0/8 of node n1 and 1 more (route by tun0)',
      '10.0.0.7/32 of node n1 (address of tun0)',
      '10.0.0.53/32 of node n1 (resolver in /etc/resolv.conf)',
    ])
  })

  it('passes over what is no subnet', () => {
    const routes = takenByHosts([
      host('n1', { cidr: 'fe80::1%eth0/128' }, { cidr: '' }, { kind: 'ROUTE', cidr: '10.1.0.0/16' }),
    ])
    expect(texts(routes)).toEqual(['10.1.0.0/16 of node n1 (route)'])
  })
})

it('beyond leaves out what lies within the present subnet', () => {
  const taken = ['10.0.9.7/32', '10.0.9.0/24', '10.0.8.7/32', '10.0.0.0/8', 'fd00::/64'].map((text) => ({
    cidr: parseCidr(text),
    by: 'x',
  }))
  expect(beyond(parseCidr('10.0.9.0/24'), taken).map(({ cidr }) => cidr.text)).toEqual([
    '10.0.8.7/32',
    '10.0.0.0/8',
    'fd00::/64',
  ])
})
