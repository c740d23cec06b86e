import { describe, expect, it } from 'vitest'
import { macOf } from '../lib/mac.ts'
import { gatewayMac, isPluggable, plan } from './plan.ts'
import { stateText } from './testing/text.ts'
import { endpointOf, idOf, networkOf, selfOf, type ViewWish, viewOf } from './testing/views.ts'
import type { View } from './view/view.ts'

/** The whole plan, key by key; derived MACs by what they derive from. */
function planText(view: View): string {
  const { node } = view.self
  const macs = new Map([
    ...[...view.networks()].flatMap(
      (network) =>
        [
          [gatewayMac(network), 'GATEWAY'],
          [macOf('vxlan', network.uid, node), `VXLAN(${node})`],
        ] as const,
    ),
    ...[...view.localEndpoints()].map(({ id }) => [macOf('veth', id, node), 'VETH'] as const),
  ])
  return stateText(
    view.keys().flatMap((key) => plan(view, key)),
    macs,
  )
}

const isolation = 'isolation'
const web = `bridge ovbr7 mac GATEWAY mtu 1450 alias overlay/c1/web
vxlan ovvx7 on ovbr7 mac VXLAN(host-1) mtu 1450 vni 7 local 192.0.2.1 port 4789 alias overlay/c1/web
bridge-pass ovbr7
address 10.0.9.1/24 on ovbr7`
const local2 = `veth ove020000000000 on ovbr7 mac VETH mtu 1450 alias overlay/c1/web/${idOf('02')} to eth0 in /run/netns/02 (102) mac 02:00:00:00:00:02 addresses 10.0.9.2/24 via 10.0.9.1
port-entry 02:00:00:00:00:02 on ove020000000000`
const remoteOf = (n: string, vtep: string) =>
  `remote-entry 02:00:00:00:00:0${n} on ovvx7 behind ${vtep}
neighbour 10.0.9.${n} is 02:00:00:00:00:0${n} on ovbr7`
const remote3 = remoteOf('3', '192.0.2.2')

const flooding = web.replace('port 4789', 'port 4789 floods')

const grown = networkOf('web', { subnets: ['10.0.8.0/23'], gateways: ['10.0.9.1'] })
const eager = networkOf('web', { eager: true })
const internal = networkOf('web', { internal: true })
const multicast = networkOf('web', { multicast: true })

const dual = networkOf('web', { subnets: ['10.0.9.0/24', 'fd00:9::/64'] })
const v6only = networkOf('web', { subnets: ['fd00:9::/64'] })

const table: readonly (readonly [string, ViewWish, string])[] = [
  ['nothing', { networks: [] }, ''],
  ['a network without an endpoint', {}, ''],
  ['only a remote endpoint', { endpoints: [endpointOf('03', { node: 'host-2' })] }, ''],
  ['a local endpoint', { endpoints: [endpointOf('02')] }, [isolation, web, local2].join('\n')],
  [
    'a local and a remote endpoint',
    { endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })] },
    [isolation, web, local2, remote3].join('\n'),
  ],
  [
    'a remote endpoint that is unplugged or of another boot is reached all the same',
    { endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2', unplugged: true })] },
    [isolation, web, local2, remote3].join('\n'),
  ],
  [
    'an endpoint on an unknown node',
    { endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-9' })] },
    [isolation, web, local2].join('\n'),
  ],
  [
    'an endpoint behind a VTEP of the other family',
    { endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })], nodes: { 'host-2': 'fd00::2' } },
    [isolation, web, local2].join('\n'),
  ],
  ['a local endpoint with an open intent', { endpoints: [endpointOf('02')], intents: [idOf('02')] }, ''],
  [
    'two local endpoints, one with an open intent',
    { endpoints: [endpointOf('02'), endpointOf('04')], intents: [idOf('04')] },
    [isolation, web, local2].join('\n'),
  ],
  ['a local endpoint of another boot', { endpoints: [endpointOf('02', { boot: 'boot-0' })] }, ''],
  ['a local endpoint that is not plugged in', { endpoints: [endpointOf('02', { unplugged: true })] }, ''],
  [
    'dual stack',
    {
      networks: [dual],
      endpoints: [
        endpointOf('02', { addresses: ['10.0.9.2', 'fd00:9::2'] }),
        endpointOf('03', { node: 'host-2', addresses: ['10.0.9.3', 'fd00:9::3'] }),
      ],
    },
    `${isolation}
${web}
address fd00:9::1/64 on ovbr7
veth ove020000000000 on ovbr7 mac VETH mtu 1450 alias overlay/c1/web/${idOf('02')} to eth0 in /run/netns/02 (102) mac 02:00:00:00:00:02 addresses 10.0.9.2/24 fd00:9::2/64 via 10.0.9.1 fd00:9::1
port-entry 02:00:00:00:00:02 on ove020000000000
${remote3}
neighbour fd00:9::3 is 02:00:00:00:00:03 on ovbr7`,
  ],
  [
    'IPv6 over an IPv6 underlay',
    {
      self: selfOf('host-1', 'fd00::1'),
      nodes: { 'host-2': 'fd00::2' },
      networks: [v6only],
      endpoints: [
        endpointOf('02', { addresses: ['fd00:9::2'] }),
        endpointOf('03', { node: 'host-2', addresses: ['fd00:9::3'] }),
      ],
    },
    `${isolation}
bridge ovbr7 mac GATEWAY mtu 1450 alias overlay/c1/web
vxlan ovvx7 on ovbr7 mac VXLAN(host-1) mtu 1450 vni 7 local fd00::1 port 4789 alias overlay/c1/web
bridge-pass ovbr7
address fd00:9::1/64 on ovbr7
veth ove020000000000 on ovbr7 mac VETH mtu 1450 alias overlay/c1/web/${idOf('02')} to eth0 in /run/netns/02 (102) mac 02:00:00:00:00:02 addresses fd00:9::2/64 via fd00:9::1
port-entry 02:00:00:00:00:02 on ove020000000000
remote-entry 02:00:00:00:00:03 on ovvx7 behind fd00::2
neighbour fd00:9::3 is 02:00:00:00:00:03 on ovbr7`,
  ],
  [
    'an internal network gives no default route',
    { networks: [internal], endpoints: [endpointOf('02')] },
    [isolation, web, local2.replace(' via 10.0.9.1', '')].join('\n'),
  ],
  [
    'the priority of a default route',
    { endpoints: [endpointOf('02', { gwPriority: -7 })] },
    [isolation, web, local2.replace('via 10.0.9.1', 'via 10.0.9.1 priority -7')].join('\n'),
  ],
  [
    'a grown subnet gives its prefix to bridge and sandbox',
    { networks: [grown], endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })] },
    [isolation, web, local2, remote3].join('\n').replaceAll('/24', '/23'),
  ],
  ['an eager network without an endpoint', { networks: [eager] }, [isolation, web].join('\n')],
  [
    'an eager network with a remote endpoint',
    { networks: [eager], endpoints: [endpointOf('03', { node: 'host-2' })] },
    [isolation, web, remote3].join('\n'),
  ],
  [
    'a multicast network floods to each other node that has it, once',
    {
      networks: [multicast],
      endpoints: [
        endpointOf('02'),
        endpointOf('03', { node: 'host-2' }),
        ...['04', '05'].map((digits) => endpointOf(digits, { node: 'host-3' })),
        endpointOf('06', { node: 'host-4', unplugged: true }),
        endpointOf('07', { node: 'host-6' }),
        endpointOf('08', { node: 'unknown' }),
      ],
      nodes: {
        'host-2': '192.0.2.2',
        'host-3': '192.0.2.3',
        'host-4': '192.0.2.4',
        'host-5': '192.0.2.5',
        'host-6': 'fd00::6',
      },
    },
    `${isolation}
${flooding}
flood-entry on ovvx7 to 192.0.2.2
flood-entry on ovvx7 to 192.0.2.3
${local2}
${remote3}
${['4', '5'].map((n) => remoteOf(n, '192.0.2.3')).join('\n')}
${remoteOf('6', '192.0.2.4')}`,
  ],
  [
    'a multicast network that no other node has, over IPv6',
    {
      self: selfOf('host-1', 'fd00::1'),
      networks: [multicast],
      endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })],
    },
    [isolation, flooding.replace('192.0.2.1', 'fd00::1'), local2].join('\n'),
  ],
  [
    'two networks, of which one is not on this host',
    {
      networks: [networkOf(), networkOf('db', { subnets: ['10.0.8.0/24'], vni: 8 })],
      endpoints: [endpointOf('02'), endpointOf('05', { network: 'db', node: 'host-2', addresses: ['10.0.8.5'] })],
    },
    [isolation, web, local2].join('\n'),
  ],
]

describe('plan', () => {
  it.each(table)('%s', (_, wish, text) => {
    expect(planText(viewOf(wish))).toBe(text)
  })

  it('gives nothing for keys of what is gone', () => {
    const view = viewOf({ endpoints: [endpointOf('02')] })
    expect(plan(view, 'network db')).toEqual([])
    expect(plan(view, `endpoint web ${idOf('09')}`)).toEqual([])
    view.removeNetwork('web')
    expect(plan(view, `endpoint web ${idOf('02')}`)).toEqual([])
  })
})

describe('MACs', () => {
  const macsOn = (node: string, vtep: string) => {
    const view = viewOf({ self: selfOf(node, vtep), endpoints: [endpointOf('02', { node })] })
    const items = view.keys().flatMap((key) => plan(view, key))
    return items.flatMap((item) => ('name' in item ? [[item.kind, item.mac]] : []))
  }
  const here = Object.fromEntries(macsOn('host-1', '192.0.2.1'))
  const there = Object.fromEntries(macsOn('host-2', '192.0.2.2'))

  it("the gateway's is the same on every host, and another in another network of the same name", () => {
    expect(here['bridge']).toBe(there['bridge'])
    expect(gatewayMac(networkOf('web', { uid: 'another' }))).not.toBe(here['bridge'])
  })

  it('that of every other device is its own', () => {
    expect(new Set([here['bridge'], here['vxlan'], here['veth'], there['vxlan'], there['veth']]).size).toBe(5)
  })
})

it.each([
  ['here and in this boot', endpointOf('02'), true],
  ['on another node', endpointOf('02', { node: 'host-2' }), false],
  ['in another boot', endpointOf('02', { boot: 'boot-0' }), false],
  ['unplugged', endpointOf('02', { unplugged: true }), false],
  ['as old as the node’s record', endpointOf('02', { createRevision: 15 }), true],
  ['older, and so lost by an eviction', endpointOf('02', { createRevision: 14 }), false],
])('isPluggable: %s', (_, endpoint, pluggable) => {
  expect(isPluggable({ ...selfOf(), generation: 15 }, endpoint)).toBe(pluggable)
  expect(isPluggable({ ...selfOf(), generation: undefined }, endpoint)).toBe(false)
})
