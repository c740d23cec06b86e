import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Drift, type DriftHost, driftHost, link, names } from './test-drift.ts'
import { run, TestHosts, until } from './test-host.ts'

let hosts: TestHosts
let drift: DriftHost
const { bridge, bridgeMac, vxlan, vxlanMac, vni, veth, here, there, none } = names

const sysctls = mkdtempSync(join(tmpdir(), 'overlay-drift-'))
const limit = join(sysctls, 'ipv4/neigh/default/gc_thresh1')

beforeAll(async () => {
  mkdirSync(dirname(limit), { recursive: true })
  writeFileSync(limit, '128')
  hosts = new TestHosts()
  drift = await driftHost(hosts, { sysctls })
})
afterAll(async () => {
  await hosts.close()
  rmSync(sysctls, { recursive: true })
})

/** With its MAC, and its IPv6 or ARP, a link loses its neighbours. */
const flushed = ['10.0.9.3', 'fd00:9::3'].map((address) => `neighbour ${bridge} ${address} missing`)

const table: readonly Drift[] = [
  ['the bridge is deleted', `ip link del ${bridge}`, [/link ovbr4105 missing/, /bridge not ovbr4105/]],
  [
    'the VXLAN device is deleted',
    `ip link del ${vxlan}`,
    [/fdb \S+ \S+ missing/, /flood .* missing/, /link ovvx4105 missing/],
  ],
  ['the veth is deleted', `ip link del ${veth}`, [`fdb ${veth} ${here} missing`, `link ${veth} missing`]],
  [
    'the bridge is down',
    `ip link set ${bridge} down`,
    [`address ${bridge} fd00:9::1 missing`, link(bridge, 'state down not up'), ...flushed],
  ],
  [
    'the bridge’s settings',
    `ip link set ${bridge} arp off type bridge stp_state 1 forward_delay 400 mcast_snooping 1 group_fwd_mask 8`,
    [
      link(
        bridge,
        'arp off not on',
        'stp_state 1 not 0',
        'forward_delay 400 not 0',
        'mcast_snooping 1 not 0',
        'group_fwd_mask 8 not 0',
      ),
      ...flushed,
    ],
  ],
  [
    'the bridge’s MAC and MTU',
    `ip link set ${bridge} address ${none} mtu 1400`,
    [link(bridge, `mac ${none} not ${bridgeMac}`, 'mtu 1400 not 1450'), ...flushed],
  ],
  [
    'the bridge takes an IPv6 router',
    `sysctl -qw net.ipv6.conf.${bridge}.accept_ra=2 net.ipv6.conf.${bridge}.addr_gen_mode=0`,
    [link(bridge, 'addr_gen_mode 0 not none', 'accept_ra 2 not 0')],
    'nothing',
  ],
  [
    'IPv6 is switched off on the bridge',
    `sysctl -qw net.ipv6.conf.${bridge}.disable_ipv6=1`,
    [`address ${bridge} fd00:9::1 missing`, ...flushed.slice(1)],
  ],
  [
    'an alias is changed, another removed',
    `ip link set ${bridge} alias overlay/c0ffee/other; ip link set ${vxlan} alias ''`,
    [link(bridge, 'alias overlay/c0ffee/other not overlay/c0ffee/web'), link(vxlan, 'alias not overlay/c0ffee/web')],
  ],
  [
    'the VXLAN device is down, and has another MAC and MTU',
    `ip link set ${vxlan} down address ${none} mtu 1400`,
    [link(vxlan, `mac ${none} not ${vxlanMac}`, 'mtu 1400 not 1450', 'state down not up')],
  ],
  [
    'the VXLAN device sends otherwise',
    `ip link set ${vxlan} type vxlan id ${vni} local 192.0.2.7 ttl 1 tos 4`,
    [link(vxlan, 'local 192.0.2.7 not 192.0.2.1', 'ttl 1 not 0', 'tos 4 not 0')],
  ],
  [
    'the VXLAN device learns, and has a default destination',
    `ip link set ${vxlan} type vxlan id ${vni} learning remote 192.0.2.66`,
    [`flood ${vxlan} 192.0.2.66 surplus`, link(vxlan, 'learning 1 not 0', 'remote 192.0.2.66 not none')],
  ],
  [
    'the VXLAN device is on another bridge',
    `ip link add other type bridge; ip link set ${vxlan} master other`,
    [
      `fdb ${vxlan} ${there}: entry of the bridge not static`,
      /link ovvx4105: bridge other not ovbr4105; .*learning 1 not 0/,
    ],
  ],
  [
    'flags of the VXLAN’s port',
    `bridge link set dev ${vxlan} learning on flood on mcast_flood off neigh_suppress off isolated on hairpin on`,
    [
      link(
        vxlan,
        'learning 1 not 0',
        'flood 1 not 0',
        'mcast_flood 0 not 1',
        'neigh_suppress 0 not 1',
        'isolated 1 not 0',
        'hairpin 1 not 0',
      ),
    ],
  ],
  [
    'flags of a veth’s port',
    `bridge link set dev ${veth} learning on flood on mcast_flood off bcast_flood off neigh_suppress on isolated on hairpin on`,
    [
      link(
        veth,
        'learning 1 not 0',
        'flood 1 not 0',
        'mcast_flood 0 not 1',
        'bcast_flood 0 not 1',
        'neigh_suppress 1 not 0',
        'isolated 1 not 0',
        'hairpin 1 not 0',
      ),
    ],
  ],
  ['a port is blocked', `bridge link set dev ${vxlan} state 0`, [link(vxlan, 'state 0 not 3')]],
  [
    'a veth is in no bridge',
    `ip link set ${veth} nomaster`,
    [`fdb ${veth} ${here} missing`, link(veth, `bridge not ${bridge}`)],
  ],
  [
    'a veth is down, and has another MAC and MTU',
    `ip link set ${veth} down address ${none} mtu 1400`,
    [new RegExp(`link ${veth}: mac ${none} not .*; mtu 1400 not 1450; state down not up`)],
  ],
]

for (const line of table) test(`${line[0]}: told and mended`, () => drift.holds(drift.host, line))

test('a limit of the neighbour tables that is lowered is told, and raised', async () => {
  expect(readFileSync(limit, 'utf8')).toBe('8192')
  writeFileSync(limit, '1024\n')
  expect(await drift.deviations()).toEqual(['isolation: net.ipv4.neigh.default.gc_thresh1 1024 not 8192'])
  await drift.mend()
  expect(readFileSync(limit, 'utf8')).toBe('8192')
})

test('what is right stays as it is while something else is mended', async () => {
  const everything = () => run(drift.host, 'ip -d -o link; ip -o addr; bridge fdb; ip neigh; nft -a list ruleset')
  const plain = (text: string) => text.replace(/_timer +[\d.]+/g, '').replace(/packets \d+ bytes \d+/g, '')
  const before = plain(await everything())
  await run(drift.host, `bridge link set dev ${veth} isolated on; ip neigh del 10.0.9.3 dev ${bridge}`)
  await run(drift.sandbox, 'ip route del default')
  await drift.mend()
  expect(plain(await everything())).toBe(before)
})

test('a foreign device that has our VNI or our name is named, and when it goes that is told', async () => {
  const told = vi.fn()
  const refusal = async () => (await drift.repair()).flatMap((result) => (result.ok ? [] : [result.error.message]))[0]
  drift.host.kernel.watchChanges(({ ours }) => ours && told(), hosts.signal)
  await run(drift.host, `ip link del ${vxlan}; ip link add flannel.1 type vxlan id ${vni} dstport 4789 local 192.0.2.1`)
  expect(await refusal()).toBe(
    `cannot create vxlan ${vxlan}: link flannel.1 uses VNI ${vni} on UDP port 4789 already: remove it`,
  )
  const isTold = async () => {
    await until(async () => told.mock.calls.length > 0)
    told.mockClear()
  }
  await isTold()
  await run(drift.host, `ip link set flannel.1 netns ${drift.sandbox.name}`)
  await isTold()
  expect(await refusal()).toBe(
    `cannot create vxlan ${vxlan}: a link that was moved to another network namespace uses VNI ${vni} on UDP port 4789 already: remove it`,
  )
  await run(drift.sandbox, 'ip link del flannel.1')
  await isTold()
  await run(drift.host, `ip link add ${vxlan} type veth peer name other9; ip link del ${bridge}`)
  await isTold()
  await drift.repair()
  expect(await refusal()).toBe(`link ${vxlan} exists and is not ours (veth, no alias): rename or remove it`)
  await run(drift.host, `ip link set ${vxlan} name mine`)
  await isTold()
  await drift.mend()
})
