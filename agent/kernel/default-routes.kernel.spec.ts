import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Veth } from '../state/item.ts'
import { run, type TestHost, TestHosts, type TestNamespace } from './test-host.ts'
import { type TestNetwork, testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
let sandbox: TestNamespace
const [one, two, three] = [
  testNetwork('one', 1, '192.0.2.1'),
  testNetwork('two', 2, '192.0.2.1'),
  testNetwork('three', 3, '192.0.2.1'),
]

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  sandbox = await hosts.namespace()
  await host.put(...one.items, ...two.items, ...three.items)
})
afterEach(() => hosts.close())

async function plug(network: TestNetwork, ifname: string, wish: Partial<Veth['inside']> = {}): Promise<Veth> {
  const { veth, entry } = network.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  const plugged = { ...veth, inside: { ...veth.inside, ifname, ...wish } }
  expect((await host.put(plugged, entry)).map((result) => result.ok)).toEqual([true, true])
  return plugged
}

/** The interfaces that lead elsewhere, IPv4 and IPv6. */
async function wayOut(): Promise<string[]> {
  const text = await run(sandbox, 'ip route get 203.0.113.1; ip -6 route get 2001:db8::1')
  return [...text.matchAll(/ dev (\w+)/g)].map(([, device = '']) => device)
}

test('the highest priority has the default route, among equals the first, and each takes over from the last', async () => {
  const first = await plug(one, 'eth0')
  const second = await plug(two, 'eth1')
  expect(await wayOut()).toEqual(['eth0', 'eth0'])
  const third = await plug(three, 'eth2', { gwPriority: 1 })
  expect(await wayOut()).toEqual(['eth2', 'eth2'])
  await host.remove(third)
  expect(await wayOut()).toEqual(['eth0', 'eth0'])
  await host.remove(first)
  expect(await wayOut()).toEqual(['eth1', 'eth1'])
  await plug(one, 'eth0')
  expect(await wayOut()).toEqual(['eth1', 'eth1'])
  await host.remove(second)
  expect(await wayOut()).toEqual(['eth0', 'eth0'])
})

test('the ends of the range do not meet, and an internal network has no way out', async () => {
  await plug(one, 'eth0', { gwPriority: -500 })
  await plug(two, 'eth1', { gwPriority: 500 })
  await plug(three, 'eth2', { gateways: [] })
  expect((await run(sandbox, 'ip route show default; ip -6 route show default')).match(/metric \d+/g)).toEqual([
    'metric 2048',
    'metric 66048',
    'metric 2048',
    'metric 66048',
  ])
  expect(await wayOut()).toEqual(['eth1', 'eth1'])
})

test('a default route of somebody else wins, whenever it comes', async () => {
  await plug(one, 'eth0', { gwPriority: 500 })
  await run(
    sandbox,
    `ip link add own type bridge; ip link set own up; ip addr add 198.51.100.2/24 dev own
     ip addr add 2001:db8:1::2/64 dev own nodad; ip route add default via 198.51.100.1 metric 1000
     ip -6 route add default via 2001:db8:1::1`,
  )
  expect(await wayOut()).toEqual(['own', 'own'])
})

test('a second interface does not disturb the first', async () => {
  await plug(one, 'eth0')
  const seen = () =>
    run(sandbox, 'ip -d addr show lo; ip -d addr show eth0; ip route show dev eth0; ip -6 route show dev eth0')
  await run(sandbox, 'sysctl -qw net.ipv6.conf.eth0.dad_transmits=0; ip addr add 192.0.2.9/32 dev lo')
  const before = await seen()
  const second = await plug(two, 'eth1')
  await host.put({ ...second, mtu: 1300 })
  await host.remove(second)
  expect(await seen()).toBe(before)
  expect(host.kernel.interfacesIn(sandbox.path)).toEqual(['lo', 'eth0'])
})

test('there is room for 64 of one priority', async () => {
  await run(sandbox, 'ip link set lo up; for m in $(seq 34048 34110); do ip route add default dev lo metric $m; done')
  await plug(one, 'eth0')
  const { veth } = two.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  const [result] = await host.put({ ...veth, inside: { ...veth.inside, ifname: 'eth1' } })
  expect(result).toMatchObject({ ok: false, error: { code: 'exhausted' } })
  expect(host.kernel.interfacesIn(sandbox.path)).toEqual(['lo', 'eth0'])
})
