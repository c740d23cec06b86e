import { expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { faultText } from '../kernel/test-host.ts'
import { differences, renaming } from './differences.ts'
import type { Bridge, DefaultRoute, ObservedInterface, ObservedVeth, Veth } from './item.ts'

const mac = parseMac('02:00:00:00:00:01')
const bridge: Bridge = { kind: 'bridge', name: 'ovbr7', mac, mtu: 1450, alias: 'overlay/c1/web' }
const outside: ObservedVeth = {
  kind: 'veth',
  name: 'ove02',
  mac,
  mtu: 1450,
  alias: 'overlay/c1/web/02',
  bridge: 'ovbr7',
}
const [gateway, gateway6] = [parseIp('10.0.9.1'), parseIp('fd00:9::1')]
const veth: Veth = {
  ...outside,
  mac,
  inside: {
    netns: '/run/netns/02',
    cookie: '102',
    ifname: 'eth0',
    mac,
    addresses: ['10.0.9.2/24', 'fd00:9::2/64'],
    gateways: [gateway, gateway6],
    gwPriority: 5,
  },
}
const through = (by: string, gwPriority = 5): DefaultRoute => ({ gateway: parseIp(by), metric: 1, gwPriority })
const routes = {
  onLink: ['10.0.9.0/24', 'fd00:9::/64', '192.0.2.0/24'],
  defaults: [through('10.0.9.1'), through('fd00:9::1')],
}
const inside: ObservedInterface = {
  ifname: 'eth0',
  up: true,
  mac,
  mtu: 1450,
  addresses: [...veth.inside.addresses, '192.0.2.7/24'],
  routes,
}

const told = (seen: Partial<ObservedInterface>) =>
  differences({ ...outside, inside: { ...inside, ...seen } }, veth).map(faultText)

it('tells fields, faults and kinds', () => {
  expect(differences(bridge, bridge)).toEqual([])
  const faults = [{ what: 'learning', wanted: '0', found: '1' }]
  expect(differences({ ...bridge, faults }, bridge)).toEqual(faults)
  expect(differences({ ...bridge, mtu: 1500, alias: '', faults }, bridge)).toEqual([
    { what: 'mtu', wanted: '1450', found: '1500' },
    { what: 'alias', wanted: 'overlay/c1/web', found: '' },
    ...faults,
  ])
  const port = { kind: 'port-entry', dev: 'ovvx7', mac } as const
  expect(differences(port, { kind: 'remote-entry', dev: 'ovvx7', mac, vtep: parseIp('192.0.2.1') })).toEqual([
    { what: 'kind', wanted: 'remote-entry', found: 'port-entry' },
  ])
})

it.each<[string, Partial<ObservedInterface>, readonly string[]]>([
  ['what is as wanted, beside what a workload added', {}, []],
  [
    'the interface itself',
    { up: false, mac: '02:00:00:00:00:09', mtu: 1400 },
    ['state inside down not up', `mac inside 02:00:00:00:00:09 not ${mac}`, 'mtu inside 1400 not 1450'],
  ],
  [
    'addresses, and not what goes with them',
    { addresses: ['10.0.9.2/23', '10.0.9.2/24'], routes: { onLink: [], defaults: [] } },
    ['address inside 10.0.9.2/23 10.0.9.2/24 not 10.0.9.2/24', 'address inside not fd00:9::2/64'],
  ],
  [
    'routes',
    {
      routes: {
        onLink: ['10.0.9.0/24'],
        defaults: [through('10.0.9.1'), through('10.0.9.1'), through('fd00:9::1', 4)],
      },
    },
    [
      'route inside not fd00:9::/64',
      'default route inside not fd00:9::1 priority 5',
      'default route inside 10.0.9.1 priority 5',
      'default route inside fd00:9::1 priority 4',
    ],
  ],
])('inside: %s', (_, seen, lines) => {
  expect(told(seen)).toEqual(lines)
})

it('what could not be looked at does not differ', () => {
  expect(differences(outside, veth)).toEqual([])
  const { routes: _, ...without } = inside
  expect(differences({ ...outside, inside: without }, veth)).toEqual([])
})

it('another name inside is no difference that is mended, and is told', () => {
  const found = { ...outside, inside: { ...inside, ifname: 'foo' } }
  expect(differences(found, veth)).toEqual([])
  expect(renaming(found, veth)).toEqual([{ what: 'ifname inside', wanted: 'eth0', found: 'foo' }])
  for (const same of [{ ...outside, inside }, outside, veth, undefined]) expect(renaming(same, veth)).toEqual([])
})

it('of what was put the plan tells what has changed since', () => {
  const wish = { ...veth.inside, gwPriority: 0, gateways: [gateway] }
  expect(differences(veth, { ...veth, inside: wish }).map(faultText)).toEqual([
    'default routes inside 10.0.9.1 priority 5 fd00:9::1 priority 5 not 10.0.9.1 priority 0',
  ])
})
