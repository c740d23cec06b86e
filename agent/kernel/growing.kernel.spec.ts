import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import type { Item, Veth } from '../state/item.ts'
import { type OperationResult } from './kernel.ts'
import { run, type TestHost, TestHosts, type TestNamespace } from './test-host.ts'
import { testNetwork } from './test-network.ts'
import { connections, floodOfPings } from './test-traffic.ts'

let hosts: TestHosts
let host: TestHost
let two: TestNamespace
let four: TestNamespace
let veths: readonly Veth[]
const network = testNetwork('web', 9, '192.0.2.1')

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  two = await hosts.namespace()
  four = await hosts.namespace()
  await host.put(...network.items)
  const plug = async (endpoint: number, sandbox: TestNamespace) => {
    const { veth, entry } = network.local(endpoint, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
    expect(faults(await host.put(veth, entry))).toEqual([])
    return veth
  }
  veths = [await plug(2, two), await plug(4, four)]
})
afterEach(() => hosts.close())

function faults(results: readonly OperationResult[]): string[] {
  return results.flatMap((result) => (result.ok ? [] : [result.error.message]))
}

type Prefixes = readonly [four: number, six: number]

function withPrefixes(veth: Veth, [four, six]: Prefixes): Veth {
  const addresses = veth.inside.addresses.map((text) => {
    const [address = ''] = text.split('/')
    return `${address}/${address.includes(':') ? six : four}`
  })
  return { ...veth, inside: { ...veth.inside, addresses } }
}

function grown([four, six]: Prefixes): Item[] {
  const gateway = (address: string, prefix: number): Item => {
    return { kind: 'address', dev: network.bridge.name, address: parseIp(address), prefix }
  }
  return [gateway('10.0.9.1', four), gateway('fd00:9::1', six), ...veths.map((veth) => withPrefixes(veth, [four, six]))]
}

const defaults = (sandbox: TestNamespace) => run(sandbox, 'ip route show default; ip -6 route show default')
const othersThan = (text: string, dull: RegExp) => text.split(/ *\n/).filter((line) => !dull.test(line))

/** Routes to subnets and addresses, but for default and link-local ones. */
async function routesOf(namespace: TestNamespace): Promise<string[]> {
  const text = await run(namespace, 'ip route; ip -6 route show table all')
  return othersThan(text.replaceAll(/(proto|metric|pref) \w+ ?/g, ''), /^default|^fe80|^multicast|^local (fe80|::1)/)
}

test('a subnet grows under running pings and open connections, in both families', async () => {
  const before = await Promise.all([two, four].map(defaults))
  const state = { isOver: false }
  const traffic = Promise.all([
    ...['10.0.9.4', 'fd00:9::4', '10.0.9.1', 'fd00:9::1'].map((address) => floodOfPings(two, address, 1500)),
    connections(two, four, ['10.0.9.4', 'fd00:9::4'], 1500),
  ]).finally(() => {
    state.isOver = true
  })
  let changes = 0
  while (!state.isOver)
    for (const size of [
      [23, 48],
      [22, 40],
      [24, 64],
    ] as const) {
      expect(faults(await host.put(...grown(size)))).toEqual([])
      // Others get a turn, too.
      await run(host, 'true')
      changes++
    }
  expect(await traffic).toEqual([0, 0, 0, 0, 0])
  expect(changes).toBeGreaterThan(10)
  expect(await Promise.all([two, four].map(defaults))).toEqual(before)
}, 30_000)

test('nothing is left of the old prefix length, and nothing of what stood in', async () => {
  expect(faults(await host.put(...grown([23, 48])))).toEqual([])
  const subnets = (device: string, host: number) => [
    `10.0.8.0/23 dev ${device} scope link src 10.0.9.${host}`,
    `fd00:9::/48 dev ${device}`,
    `local fd00:9::${host} dev ${device} table local`,
  ]
  expect(await routesOf(two)).toEqual(subnets('eth0', 2))
  expect(await routesOf(host)).toEqual(subnets(network.bridge.name, 1))
  for (const namespace of [host, two]) expect(await run(namespace, 'ip -o addr show dev lo')).not.toContain('fd00')
  const state = await host.state()
  expect(state).toContain('inside=1450,10.0.9.2/23,fd00:9::2/48')
  expect(state.match(/^address .*/gm)).toEqual([
    `address dev=${network.bridge.name} address=10.0.9.1 prefix=23`,
    `address dev=${network.bridge.name} address=fd00:9::1 prefix=48`,
  ])
})

test('what a workload added stays as it is', async () => {
  await run(
    two,
    `sysctl -qw net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.eth0.promote_secondaries=0
     ip addr add 10.0.9.77/24 dev eth0; ip addr add 192.0.2.7/24 dev eth0; ip addr add fd00:9::77/64 dev eth0 nodad
     ip route add 198.51.100.0/24 via 10.0.9.4 src 10.0.9.2; ip -6 route add 2001:db8::/32 via fd00:9::4`,
  )
  const added = async () => {
    const text = await run(two, 'ip -o addr show dev eth0 scope global; ip route; ip -6 route')
    return othersThan(text, /10\.0\.9\.2\/|10\.0\.[89]\.0\/|fd00:9::2\/|^fd00:9::\/|10\.0\.9\.77/)
  }
  const before = await added()
  expect(before.join()).toMatch(/192\.0\.2\.7.*fd00:9::77.*198\.51\.100.*2001:db8::/)
  expect(faults(await host.put(...grown([23, 48])))).toEqual([])
  expect(await added()).toEqual(before)
  expect(await run(two, 'ip -o addr show dev eth0')).toMatch(/10\.0\.9\.77\/24(?!.*secondary)/)
  expect(await run(two, 'sysctl -n net.ipv4.conf.eth0.promote_secondaries')).toBe('0')
  expect(await host.state()).toContain('10.0.9.77/24')
})

test('an own address that was removed inside, or has two prefix lengths, is mended', async () => {
  const whole = await host.state()
  await run(two, 'ip addr add 10.0.9.2/23 dev eth0; ip addr del fd00:9::2/64 dev eth0')
  await run(host, `ip addr add 10.0.9.1/23 dev ${network.bridge.name}`)
  const broken = await host.state()
  expect(broken).toContain('inside=1450,10.0.9.2/24,10.0.9.2/23')
  expect(broken).toMatch(/^address .*address=10.0.9.1 prefix=23 faults=prefix 24 and 23 not one$/m)
  expect(faults(await host.put(...grown([24, 64])))).toEqual([])
  expect(await host.state()).toBe(whole)
})

test('the MTU follows in both directions, also when only one end was reached', async () => {
  const [veth] = veths
  if (!veth) throw new Error('there are two')
  const items: Item[] = [network.bridge, network.vxlan, ...veths]
  const mtus = async () =>
    (await host.state()).match(/(mtu|inside)=\d+/g)?.map((text) => Number(text.replace(/\D+/, '')))
  for (const mtu of [1300, 8950, 1450]) {
    expect(faults(await host.put(...items.map((item): Item => ('mtu' in item ? { ...item, mtu } : item))))).toEqual([])
    expect(await mtus()).toEqual([mtu, mtu, mtu, mtu, mtu, mtu])
  }
  await run(two, 'ip link set eth0 mtu 1300')
  expect(await mtus()).toEqual([1450, 1450, 1300, 1450, 1450, 1450])
  await host.put(veth)
  await run(host, `ip link set ${veth.name} mtu 1300`)
  await host.put(veth)
  expect(await mtus()).toEqual([1450, 1450, 1450, 1450, 1450, 1450])
})

test('a network that had no room for IPv6 gets none of the kernel’s own settings with a larger MTU', async () => {
  const { bridge, vxlan } = network
  await host.put({ ...bridge, mtu: 1200 }, { ...vxlan, mtu: 1200 })
  await host.put(...network.items)
  expect(await host.state()).not.toContain('faults')
})
