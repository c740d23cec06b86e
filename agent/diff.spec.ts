import { describe, expect, it } from 'vitest'
import { parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import { parseVni } from '../lib/vni.ts'
import { diff, itemMap } from './diff.ts'
import type { AnyItem, Item, ObservedInterface } from './state/item.ts'
import { operationsText } from './testing/text.ts'

const mac = (last: string) => parseMac(`02:00:00:00:00:${last}`)
const alias = 'overlay/c1/web'

const isolation: Item = { kind: 'isolation' }
const bridge: Item = { kind: 'bridge', name: 'ovbr7', mac: mac('b0'), mtu: 1450, alias }
const vxlan: Item = {
  kind: 'vxlan',
  name: 'ovvx7',
  mac: mac('f0'),
  mtu: 1450,
  alias,
  bridge: 'ovbr7',
  vni: parseVni(7),
  local: parseIp('192.0.2.1'),
  port: 4789,
  floods: false,
}
const pass: Item = { kind: 'bridge-pass', bridge: 'ovbr7' }
const gateway: Item = { kind: 'address', dev: 'ovbr7', address: parseIp('10.0.9.1'), prefix: 24 }
const seenVeth = {
  kind: 'veth',
  name: 'ove02',
  mac: mac('e2'),
  mtu: 1450,
  alias: `${alias}/02`,
  bridge: 'ovbr7',
} as const
const veth = {
  ...seenVeth,
  inside: {
    netns: '/run/netns/02',
    cookie: '102',
    ifname: 'eth0',
    mac: mac('02'),
    addresses: ['10.0.9.2/24'],
    gateways: [parseIp('10.0.9.1')],
    gwPriority: 0,
  },
} as const satisfies Item
const inside: ObservedInterface = {
  ifname: 'eth0',
  up: true,
  mac: mac('02'),
  mtu: 1450,
  addresses: ['10.0.9.2/24'],
  routes: {
    onLink: ['10.0.9.0/24'],
    defaults: [{ gateway: parseIp('10.0.9.1'), metric: 34_048, gwPriority: 0 }],
  },
}
const faults = [{ what: 'learning', wanted: '0', found: '1' }]
const flood: Item = { kind: 'flood-entry', dev: 'ovvx7', vtep: parseIp('192.0.2.2') }
const putVeth =
  'put veth ove02 on ovbr7 mac 02:00:00:00:00:e2 mtu 1450 alias overlay/c1/web/02 to eth0 in /run/netns/02 (102) mac 02:00:00:00:00:02 addresses 10.0.9.2/24 via 10.0.9.1'
const port: Item = { kind: 'port-entry', dev: 'ove02', mac: mac('02') }
const remote: Item = { kind: 'remote-entry', dev: 'ovvx7', mac: mac('03'), vtep: parseIp('192.0.2.2') }
const neighbour: Item = { kind: 'neighbour', dev: 'ovbr7', address: parseIp('10.0.9.3'), mac: mac('03') }

const all = [neighbour, flood, remote, port, veth, gateway, pass, vxlan, bridge, isolation]

const table: readonly (readonly [string, readonly AnyItem[], readonly Item[], string])[] = [
  ['nothing to do', all, all, ''],
  ['a veth as the kernel shows it is as planned', [bridge, seenVeth], [bridge, veth], ''],
  [
    'all new: links before what hangs on them, isolation first',
    [],
    all,
    `put isolation
put bridge-pass ovbr7
put bridge ovbr7 mac 02:00:00:00:00:b0 mtu 1450 alias overlay/c1/web
put vxlan ovvx7 on ovbr7 mac 02:00:00:00:00:f0 mtu 1450 vni 7 local 192.0.2.1 port 4789 alias overlay/c1/web
put address 10.0.9.1/24 on ovbr7
put veth ove02 on ovbr7 mac 02:00:00:00:00:e2 mtu 1450 alias overlay/c1/web/02 to eth0 in /run/netns/02 (102) mac 02:00:00:00:00:02 addresses 10.0.9.2/24 via 10.0.9.1
put port-entry 02:00:00:00:00:02 on ove02
put remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2
put flood-entry on ovvx7 to 192.0.2.2
put neighbour 10.0.9.3 is 02:00:00:00:00:03 on ovbr7`,
  ],
  [
    'all gone: what goes with a link is not deleted by itself, isolation last',
    all,
    [],
    `delete veth ove02 on ovbr7 mac 02:00:00:00:00:e2 mtu 1450 alias overlay/c1/web/02 to eth0 in /run/netns/02 (102) mac 02:00:00:00:00:02 addresses 10.0.9.2/24 via 10.0.9.1
delete vxlan ovvx7 on ovbr7 mac 02:00:00:00:00:f0 mtu 1450 vni 7 local 192.0.2.1 port 4789 alias overlay/c1/web
delete bridge ovbr7 mac 02:00:00:00:00:b0 mtu 1450 alias overlay/c1/web
delete bridge-pass ovbr7
delete isolation`,
  ],
  [
    'entries whose links stay',
    all,
    [isolation, bridge, vxlan, pass, gateway, veth],
    `delete neighbour 10.0.9.3 is 02:00:00:00:00:03 on ovbr7
delete flood-entry on ovvx7 to 192.0.2.2
delete remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2
delete port-entry 02:00:00:00:00:02 on ove02`,
  ],
  ['inside all is as planned', [{ ...seenVeth, inside }], [veth], ''],
  [
    'what a workload added inside is its own',
    [{ ...seenVeth, inside: { ...inside, addresses: ['10.0.9.2/24', '10.0.9.7/24'] } }],
    [veth],
    '',
  ],
  ['another MTU inside', [{ ...seenVeth, inside: { ...inside, mtu: 1300 } }], [veth], putVeth],
  ['an address that is missing inside', [{ ...seenVeth, inside: { ...inside, addresses: [] } }], [veth], putVeth],
  [
    'another prefix length inside',
    [{ ...seenVeth, inside: { ...inside, addresses: ['10.0.9.2/23'] } }],
    [veth],
    putVeth,
  ],
  [
    'two prefix lengths inside',
    [{ ...seenVeth, inside: { ...inside, addresses: ['10.0.9.2/23', '10.0.9.2/24'] } }],
    [veth],
    putVeth,
  ],
  [
    'a subnet that grew since we put it: the gateway first',
    [gateway, { ...veth, inside: { ...veth.inside, addresses: ['10.0.9.2/25'] } }],
    [veth, { ...gateway, prefix: 23 }],
    `put address 10.0.9.1/23 on ovbr7
${putVeth}`,
  ],
  [
    'a larger MTU: first where frames pass, then where they begin',
    [bridge, vxlan, { ...seenVeth, inside }],
    [
      { ...veth, mtu: 1500 },
      { ...vxlan, mtu: 1500 },
      { ...bridge, mtu: 1500 },
    ],
    `put bridge ovbr7 mac 02:00:00:00:00:b0 mtu 1500 alias overlay/c1/web
put vxlan ovvx7 on ovbr7 mac 02:00:00:00:00:f0 mtu 1500 vni 7 local 192.0.2.1 port 4789 alias overlay/c1/web
${putVeth.replace('1450', '1500')}`,
  ],
  [
    'a smaller MTU: first where frames begin',
    [bridge, vxlan, { ...seenVeth, inside }],
    [
      { ...vxlan, mtu: 1400 },
      { ...bridge, mtu: 1400 },
      { ...veth, mtu: 1400 },
    ],
    `${putVeth.replace('1450', '1400')}
put vxlan ovvx7 on ovbr7 mac 02:00:00:00:00:f0 mtu 1400 vni 7 local 192.0.2.1 port 4789 alias overlay/c1/web
put bridge ovbr7 mac 02:00:00:00:00:b0 mtu 1400 alias overlay/c1/web`,
  ],
  [
    'a smaller MTU of what was never finished: before the entries',
    [{ ...bridge, mtu: 1500, alias: '', faults }],
    [neighbour, bridge],
    `put bridge ovbr7 mac 02:00:00:00:00:b0 mtu 1450 alias overlay/c1/web
put neighbour 10.0.9.3 is 02:00:00:00:00:03 on ovbr7`,
  ],
  [
    'a network that becomes one for multicast: the port floods before there is where to',
    [vxlan],
    [flood, { ...vxlan, floods: true }],
    `put vxlan ovvx7 on ovbr7 mac 02:00:00:00:00:f0 mtu 1450 vni 7 local 192.0.2.1 port 4789 floods alias overlay/c1/web
put flood-entry on ovvx7 to 192.0.2.2`,
  ],
  [
    'adds before deletes',
    [bridge, neighbour],
    [bridge, { ...neighbour, address: parseIp('10.0.9.4') }],
    `put neighbour 10.0.9.4 is 02:00:00:00:00:03 on ovbr7
delete neighbour 10.0.9.3 is 02:00:00:00:00:03 on ovbr7`,
  ],
  [
    'a changed field is a put over what is there',
    [remote, gateway],
    [
      { ...remote, vtep: parseIp('192.0.2.9') },
      { ...gateway, prefix: 25 },
    ],
    `put address 10.0.9.1/25 on ovbr7
put remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.9`,
  ],
  [
    'an endpoint that moved here: its remote entry becomes a port entry',
    [remote],
    [port],
    `put port-entry 02:00:00:00:00:02 on ove02
delete remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2`,
  ],
  [
    'what was found in half is made whole',
    [
      { ...remote, faults },
      { ...bridge, faults },
    ],
    [remote, bridge],
    `put bridge ovbr7 mac 02:00:00:00:00:b0 mtu 1450 alias overlay/c1/web
put remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2`,
  ],
  [
    'what was found in half and is not wanted goes',
    [{ ...remote, faults }],
    [],
    'delete remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2',
  ],
  [
    'one kind in the place of another of the same id',
    [{ kind: 'port-entry', dev: 'ovvx7', mac: mac('03') }],
    [remote],
    'put remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2',
  ],
  [
    'a link that has to go takes foreign entries along',
    [bridge, { ...seenVeth, name: 'oveff' }, { ...port, dev: 'oveff' }],
    [bridge],
    'delete veth oveff on ovbr7 mac 02:00:00:00:00:e2 mtu 1450 alias overlay/c1/web/02',
  ],
]

describe('diff', () => {
  it.each(table)('%s', (_, actual, desired, text) => {
    expect(operationsText(diff(itemMap(actual), itemMap(desired)))).toBe(text)
  })

  it('applied to what is there gives what should be', () => {
    const actual = itemMap<AnyItem>([bridge, seenVeth, port, { ...remote, faults }])
    const desired = itemMap(all.filter((item) => item !== veth && item !== port))
    const after = new Map(actual)
    for (const { do: what, item } of diff(actual, desired)) {
      const [id] = itemMap<AnyItem>([item]).keys()
      if (id === undefined) continue
      if (what === 'put') after.set(id, item)
      else {
        after.delete(id)
        if ('name' in item)
          for (const [other, { ...found }] of after) if ('dev' in found && found.dev === item.name) after.delete(other)
      }
    }
    expect(after).toEqual(desired)
    expect(diff(after, desired)).toEqual([])
  })
})
