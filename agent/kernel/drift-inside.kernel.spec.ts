import { afterAll, beforeAll, test } from 'vitest'
import { type Drift, type DriftHost, driftHost, link, names } from './test-drift.ts'
import { TestHosts } from './test-host.ts'

let hosts: TestHosts
let drift: DriftHost
const { veth, here, none } = names

beforeAll(async () => {
  hosts = new TestHosts()
  drift = await driftHost(hosts)
})
afterAll(() => hosts.close())

const inside = (...faults: string[]) => [link(veth, ...faults)]

const table: readonly Drift[] = [
  ['the interface is deleted', 'ip link del eth0', [`fdb ${veth} ${here} missing`, `link ${veth} missing`]],
  [
    'the interface is down',
    'ip link set eth0 down',
    [/link \S+: state inside down not up; address inside not fd00:9::2\/64/],
  ],
  [
    'the interface has another MAC and MTU',
    `ip link set eth0 address ${none} mtu 1400`,
    inside(`mac inside ${none} not ${here}`, 'mtu inside 1400 not 1450'),
  ],
  [
    'addresses are gone',
    'ip addr flush dev eth0',
    inside('address inside not 10.0.9.2/24', 'address inside not fd00:9::2/64'),
  ],
  [
    'an address has another prefix length',
    'ip addr add 10.0.9.2/16 dev eth0; ip addr del 10.0.9.2/24 dev eth0',
    inside('address inside 10.0.9.2/16 not 10.0.9.2/24'),
  ],
  [
    'the default routes are gone',
    'ip route del default; ip -6 route del default',
    inside('default route inside not 10.0.9.1 priority 0', 'default route inside not fd00:9::1 priority 0'),
  ],
  [
    'a default route has another metric',
    'ip route del default; ip route add default via 10.0.9.1 proto 79 metric 40000',
    inside('default route inside not 10.0.9.1 priority 0', 'default route inside 10.0.9.1 priority -93'),
  ],
  [
    'the routes of the subnets are gone',
    'ip route del 10.0.9.0/24; ip -6 route del fd00:9::/64',
    [/route inside not 10.0.9.0\/24; route inside not fd00:9::\/64/],
  ],
]

for (const line of table) test(`${line[0]}: told and mended`, () => drift.holds(drift.sandbox, line))
