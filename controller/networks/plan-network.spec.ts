import { describe, expect, it } from 'vitest'
import { parseCidr } from '../../lib/ip.ts'
import { validateCreate } from '../../lib/requests/create-network.ts'
import { parseVni } from '../../lib/vni.ts'
import { CreateNetworkRequest, HostRoutes, type Init, Network, Node, VniOwner } from '../../proto/index.ts'
import { planNetwork, type Surroundings } from './plan-network.ts'

const entry = (init: Init<Network>) => {
  const value = Network.create(init)
  return { path: value.name, value, json: {}, createRevision: 1, modRevision: 1 }
}
const routes = (node: string, ...cidrs: string[]) => ({
  node,
  routes: HostRoutes.create({ routes: cidrs.map((cidr) => ({ kind: 'ROUTE' as const, cidr, via: 'tun0' })) }),
})

const there: Surroundings = {
  clusterUid: 'cluster',
  networks: [
    entry({
      name: 'old',
      uid: 'ab'.repeat(16),
      vni: 5000,
      mtu: 1400,
      subnets: [{ cidr: '10.64.0.0/24' }],
      labels: { a: '1', b: '2' },
      options: { x: 'y' },
      internal: true,
      multicast: true,
      eager: true,
      allowOverlap: true,
    }),
  ],
  nodes: [Node.create({ name: 'n1', vtepAddress: '192.0.2.1', underlayMtu: 1500 })],
  hostRoutes: [routes('n1', '10.1.0.0/16', '0.0.0.0/0')],
  vniOwners: new Map([[5000, VniOwner.create({ network: 'old' })]]),
  vniCursor: undefined,
  vnis: { min: parseVni(5000), max: parseVni(5009) },
  pools: [{ cidr: parseCidr('10.64.0.0/16'), size: 24 }],
}
const birth = { uid: '01'.repeat(16), createdAt: '2026-03-01T12:00:00Z', random: () => 0 }
const make = (init: Init<CreateNetworkRequest>, surroundings: Partial<Surroundings> = {}) =>
  planNetwork(validateCreate(CreateNetworkRequest.create(init)), { ...there, ...surroundings }, birth)
const cidrs = (init: Init<CreateNetworkRequest>, surroundings: Partial<Surroundings> = {}) =>
  make(init, surroundings).network.subnets.map(({ cidr }) => cidr)

describe('planNetwork', () => {
  it('writes all that was asked for', () => {
    const { network, nextVni } = make({
      name: 'web',
      mtu: 1300,
      labels: { a: '1' },
      options: { x: 'y' },
      vni: 42,
      internal: true,
      multicast: true,
      eager: true,
      allowOverlap: true,
      subnets: [{ cidr: '10.0.9.0/24', ipRange: '10.0.9.128/25', auxAddresses: { router: '10.0.9.9' } }],
    })
    expect(network).toEqual(
      Network.create({
        name: 'web',
        uid: birth.uid,
        vni: 42,
        mtu: 1300,
        labels: { a: '1' },
        options: { x: 'y' },
        state: 'READY',
        createdAt: birth.createdAt,
        internal: true,
        multicast: true,
        eager: true,
        allowOverlap: true,
        subnets: [
          {
            cidr: '10.0.9.0/24',
            gateway: '10.0.9.1',
            ipRange: '10.0.9.128/25',
            auxAddresses: { router: '10.0.9.9' },
          },
        ],
      }),
    )
    expect(nextVni).toBeUndefined()
  })

  it('takes from another network what is not given, but not its name, subnets and VNI', () => {
    for (const configFrom of ['old', 'abab']) {
      const { network } = make({ name: 'web', configFrom, labels: { b: '3', c: '4' } })
      expect(network).toMatchObject({
        name: 'web',
        vni: 5001,
        mtu: 1400,
        labels: { a: '1', b: '3', c: '4' },
        options: { x: 'y' },
        internal: true,
        multicast: true,
        eager: true,
        allowOverlap: true,
      })
      expect(network.subnets.map(({ cidr }) => cidr)).toEqual(['10.64.1.0/24'])
    }
    expect(make({ configFrom: 'old', mtu: 1300 }).network.mtu).toBe(1300)
    expect(() => make({ configFrom: 'new' })).toThrow('there is no network new')
  })

  it.each<[string, Init<CreateNetworkRequest>, Partial<Surroundings>, string[]]>([
    ['from the pools', {}, {}, ['10.64.1.0/24']],
    ['past the routes of hosts', {}, { hostRoutes: [routes('n1', '10.64.0.0/22')] }, ['10.64.4.0/24']],
    [
      'past them also where they may be overlapped',
      { allowOverlap: true },
      { hostRoutes: [routes('n1', '10.64.0.0/22')] },
      ['10.64.4.0/24'],
    ],
    [
      'on them if nothing else is left',
      { allowOverlap: true },
      { hostRoutes: [routes('n1', '10.0.0.0/8')] },
      ['10.64.1.0/24'],
    ],
    [
      'on the routes of hosts, if allowed',
      { allowOverlap: true, subnets: [{ cidr: '10.1.2.0/24' }] },
      {},
      ['10.1.2.0/24'],
    ],
    ['with a unique local one', { ipv6: true }, {}, ['10.64.1.0/24', expect.stringMatching(/^fd.*\/64$/)]],
    [
      'with a unique local one beside a named one',
      { ipv6: true, subnets: [{ cidr: '10.2.0.0/24' }] },
      {},
      ['10.2.0.0/24', expect.stringMatching(/^fd/)],
    ],
    ['with the IPv6 one that is named', { ipv6: true, subnets: [{ cidr: 'fd00::/64' }] }, {}, ['fd00::/64']],
    [
      'from the IPv4 pools beside a unique local one',
      { ipv6: true },
      { pools: [{ cidr: parseCidr('fd01::/48'), size: 64 }, ...there.pools] },
      ['10.64.1.0/24', expect.stringMatching(/^fd(?!01::)/)],
    ],
    [
      'from the IPv6 pools if there are no others',
      { ipv6: true },
      { pools: [{ cidr: parseCidr('fd01::/48'), size: 64 }] },
      ['fd01::/64'],
    ],
  ])('finds subnets %s', (_, init, surroundings, expected) => {
    expect(cidrs(init, surroundings)).toEqual(expected)
  })

  it('makes unique local subnets that keep apart', () => {
    const { network } = make({ ipv6: true })
    expect(cidrs({ ipv6: true }, { networks: [entry({ ...network, name: 'one' })] })[1]).not.toBe(
      network.subnets[1]?.cidr,
    )
  })

  it.each<[Init<CreateNetworkRequest>, string, string]>([
    [{ name: 'old' }, 'already_exists', 'network old exists already (10.64.0.0/24, VNI 5000): choose another name'],
    [{ vni: 5000 }, 'already_exists', 'VNI 5000 is that of network old already: choose another --vni'],
    [{ configFrom: 'none' }, 'not_found', 'there is no network none'],
    [
      { subnets: [{ cidr: '10.64.0.0/16' }] },
      'failed_precondition',
      'overlaps 10.64.0.0/24 of network old: choose another subnet',
    ],
    [{ subnets: [{ cidr: '10.64.0.0/16' }], allowOverlap: true }, 'failed_precondition', 'of network old'],
    [
      { subnets: [{ cidr: '192.0.2.0/24' }], allowOverlap: true },
      'failed_precondition',
      "192.0.2.1/32 of node n1's VTEP",
    ],
    [
      { subnets: [{ cidr: '10.1.2.0/24' }] },
      'failed_precondition',
      'subnet 10.1.2.0/24 overlaps 10.1.0.0/16 of node n1 (route by tun0): choose another subnet, or allow it with --allow-overlap',
    ],
  ])('refuses %j: %s', (init, code, why) => {
    expect(() => make(init)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(why) }))
  })

  it('says that a subnet could lie on what hosts have, where that would help', () => {
    const covered = { hostRoutes: [routes('n1', '10.0.0.0/8')] }
    const help =
      'of node n1 (route by tun0) covers all of one: name one (--subnet), remove networks, or give the controllers another --pool, or let it lie on what hosts have (--allow-overlap)'
    expect(() => make({}, covered)).toThrow(help)
    const used = { cidr: parseCidr('10.64.0.0/24'), size: 24 }
    expect(() => make({}, { ...covered, pools: [used] })).toThrow(
      /of network old covers all of one: .* another --pool$/,
    )
  })

  it('names everything that stands against it in one answer', () => {
    const init = { name: 'old', vni: 5000, subnets: [{ cidr: '10.1.2.0/24' }], mtu: 0 }
    const noNodes = { nodes: [], hostRoutes: [routes('n1', '10.1.0.0/16')] }
    for (const part of ['network old exists already', 'VNI 5000 is', 'route by tun0', 'no node is registered'])
      expect(() => make(init, noNodes)).toThrow(part)
    expect(() => make({ ...init, configFrom: 'none' })).toThrow(/no network none.*old exists.*tun0.*VNI 5000/)
  })

  it('needs 1280 bytes for IPv6, wherever the MTU comes from', () => {
    const small = { nodes: [Node.create({ name: 'n1', vtepAddress: '192.0.2.1', underlayMtu: 1300 })] }
    expect(() => make({ ipv6: true }, small)).toThrow('leaves 1250 bytes for the network, which needs 1280')
    const from = { networks: [entry({ name: 'old', uid: 'u', vni: 5000, mtu: 1000, subnets: [] })] }
    expect(() => make({ ipv6: true, configFrom: 'old' }, from)).toThrow('an IPv6 subnet needs an MTU of 1280, not 1000')
  })

  it('passes over a VNI whose network is not there, and names it', () => {
    const vniOwners = new Map([[5001, VniOwner.create({ network: 'ghost' })]])
    expect(make({}, { vniOwners }).network.vni).toBe(5002)
    expect(() => make({ vni: 5001 }, { vniOwners })).toThrow('VNI 5001 is that of network ghost already')
  })
})
