import { afterEach, beforeEach, expect, test } from 'vitest'
import { familyOf } from '../../lib/ip.ts'
import type { Item, PortEntry, Veth } from '../state/item.ts'
import { answers, run, type TestHost, TestHosts, type TestNamespace } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
let sandbox: TestNamespace
let veth: Veth
let entry: PortEntry
const network = testNetwork('web', 9, '192.0.2.1')
const { bridge } = network

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  sandbox = await hosts.namespace()
  const local = network.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  veth = local.veth
  entry = local.entry
})
afterEach(() => hosts.close())

const isFour = (address: string) => !address.includes(':')
const sized =
  (mtu: number) =>
  (item: Item): Item =>
    'mtu' in item ? { ...item, mtu } : item

function onlyFour(): readonly Item[] {
  const items = network.items.filter((item) => item.kind !== 'address' || familyOf(item.address) === 4)
  const { inside } = veth
  const { addresses, gateways } = inside
  return [
    ...items,
    { ...veth, inside: { ...inside, addresses: addresses.filter(isFour), gateways: gateways.filter(isFour) } },
    entry,
  ]
}

test('an MTU that leaves no room for IPv6 will do, and with a larger one the kernel makes no addresses', async () => {
  for (const mtu of [1200, 1450, 576, 1300]) {
    const results = await host.put(...onlyFour().map(sized(mtu)))
    expect(results.filter((result) => !result.ok)).toEqual([])
    expect(await answers(sandbox, '10.0.9.1')).toBe(true)
    const state = await host.state()
    expect(state).toContain(`inside=${mtu},10.0.9.2/24`)
    expect(state).not.toContain('faults')
    for (const [where, device] of [
      [host, bridge.name],
      [sandbox, 'eth0'],
    ] as const)
      expect(await run(where, `ip -6 addr show dev ${device}`)).toBe('')
  }
})

test('where IPv6 is switched off the error says so, and nothing is left', async () => {
  await host.put(...network.items)
  await run(sandbox, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1')
  const before = await run(host, 'ip -br link')
  const [result] = await host.put(veth)
  expect(result).toMatchObject({ ok: false, error: { code: 'failed_precondition' } })
  expect(result).toHaveProperty(
    'error.message',
    expect.stringMatching(/fd00:9::2.* in \S+: .*; enable IPv6 there \(sysctl /),
  )
  expect(await run(host, 'ip -br link')).toBe(before)
  expect(await run(sandbox, 'ip -br link')).not.toContain('eth0')
  expect(await host.put(...onlyFour())).not.toContainEqual(expect.objectContaining({ ok: false }))
})
