import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drift, type DriftHost, driftHost, names } from './test-drift.ts'
import { run, TestHosts } from './test-host.ts'

let hosts: TestHosts
let drift: DriftHost
const { bridge, vxlan, veth, here, there, none } = names

beforeAll(async () => {
  hosts = new TestHosts()
  drift = await driftHost(hosts)
})
afterAll(() => hosts.close())

const table: readonly Drift[] = [
  [
    'entries are gone',
    `bridge fdb del ${here} dev ${veth} master; bridge fdb del ${there} dev ${vxlan} self master; bridge fdb del 00:00:00:00:00:00 dev ${vxlan} dst 192.0.2.2; ip neigh del 10.0.9.3 dev ${bridge}`,
    [
      `fdb ${veth} ${here} missing`,
      `fdb ${vxlan} ${there} missing`,
      `flood ${vxlan} 192.0.2.2 missing`,
      `neighbour ${bridge} 10.0.9.3 missing`,
    ],
  ],
  [
    'an entry is dynamic',
    `bridge fdb replace ${here} dev ${veth} master dynamic`,
    [`fdb ${veth} ${here}: entry of the bridge dynamic not static`],
  ],
  [
    'an entry says that the MAC is the bridge’s',
    `bridge fdb replace ${here} dev ${veth} master permanent`,
    [`fdb ${veth} ${here}: entry of the bridge permanent not static`],
  ],
  [
    'an entry is on another port',
    `bridge fdb replace ${here} dev ${vxlan} master static`,
    [`fdb ${veth} ${here} missing`, `fdb ${vxlan} ${here} surplus`],
  ],
  [
    'an entry leads to another VTEP',
    `bridge fdb replace ${there} dev ${vxlan} self dst 192.0.2.9 static`,
    [`fdb ${vxlan} ${there}: vtep 192.0.2.9 not 192.0.2.2`],
  ],
  [
    'an entry leads to another port and VNI',
    `bridge fdb replace ${there} dev ${vxlan} self dst 192.0.2.2 port 9 vni 7 static`,
    [`fdb ${vxlan} ${there}: by port 9 vni 7`],
  ],
  [
    'half of an entry is gone',
    `bridge fdb del ${there} dev ${vxlan} master`,
    [`fdb ${vxlan} ${there}: entry of the bridge not static`],
  ],
  [
    'the other half is gone',
    `bridge fdb del ${there} dev ${vxlan} self`,
    [`fdb ${vxlan} ${there}: kind port-entry not remote-entry`],
  ],
  [
    'entries that nobody wanted',
    `bridge fdb add ${none} dev ${vxlan} self dst 192.0.2.9; bridge fdb add 02:00:00:00:00:98 dev ${veth} master static; ip neigh add 10.0.9.99 lladdr ${none} dev ${bridge} nud permanent; ip addr add 10.0.9.98/24 dev ${bridge}`,
    [
      `address ${bridge} 10.0.9.98 surplus`,
      `fdb ${veth} 02:00:00:00:00:98 surplus`,
      `fdb ${vxlan} ${none} surplus`,
      `neighbour ${bridge} 10.0.9.99 surplus`,
    ],
  ],
  [
    'neighbours are others, or may be collected',
    `ip neigh replace 10.0.9.3 lladdr ${none} dev ${bridge} nud permanent; ip neigh replace fd00:9::3 lladdr ${there} dev ${bridge} nud noarp`,
    [
      `neighbour ${bridge} 10.0.9.3: mac ${none} not ${there}`,
      `neighbour ${bridge} fd00:9::3: state noarp not permanent`,
    ],
  ],
  [
    'a neighbour is like one that the kernel found out',
    `ip neigh replace 10.0.9.3 lladdr ${none} dev ${bridge} nud reachable`,
    [`neighbour ${bridge} 10.0.9.3 missing`],
  ],
  [
    'the gateways are gone',
    `ip addr del 10.0.9.1/24 dev ${bridge}; ip addr flush dev ${bridge}`,
    [
      `address ${bridge} 10.0.9.1 missing`,
      `address ${bridge} fd00:9::1 missing`,
      // They go with the last address.
      `neighbour ${bridge} 10.0.9.3 missing`,
    ],
  ],
  [
    'a gateway has another prefix length',
    `ip addr del fd00:9::1/64 dev ${bridge}; ip addr add fd00:9::1/80 dev ${bridge} nodad`,
    [`address ${bridge} fd00:9::1: prefix 80 not 64`],
  ],
  [
    'the routes of the gateways are gone',
    `ip route del 10.0.9.0/24 dev ${bridge}; ip -6 route del fd00:9::/64 dev ${bridge}`,
    [`address ${bridge} 10.0.9.1: route not 10.0.9.0/24`, `address ${bridge} fd00:9::1: route not fd00:9::/64`],
  ],
]

for (const line of table) test(`${line[0]}: told and mended`, () => drift.holds(drift.host, line))

test('where a rule leads elsewhere before, the route of a gateway is not missed', async () => {
  const { host } = drift
  for (const family of ['-4', '-6']) await run(host, `ip ${family} rule add pref 5 lookup 52`)
  await run(host, 'ip route add default dev lo table 52; ip -6 route add default dev lo table 52')
  expect(await drift.deviations()).toEqual([])
})
