import { afterEach, beforeEach, expect, test } from 'vitest'
import type { BridgePass, Item } from '../state/item.ts'
import { answers, run, type TestHost, TestHosts, type TestNamespace } from './test-host.ts'
import { type TestNetwork, testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
const web = testNetwork('web', 9, '192.0.2.1')
const db = testNetwork('db', 8, '192.0.2.1')
const pass: BridgePass = { kind: 'bridge-pass', bridge: web.bridge.name }
const isolation: Item = { kind: 'isolation' }

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
})
afterEach(() => hosts.close())

async function plug(network: TestNetwork, endpoint: number): Promise<TestNamespace> {
  const sandbox = await hosts.namespace()
  const { veth, entry } = network.local(endpoint, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  const results = await host.put(veth, entry)
  expect(results.every((result) => result.ok)).toBe(true)
  return sandbox
}

const rules = () => run(host, 'nft list ruleset')
const passState = async () => (await host.state()).split('\n').filter((line) => line.startsWith('bridge-pass'))
const whole = `bridge-pass bridge=${pass.bridge}`
const flushed = ['stays on one bridge', 'leaves an overlay', 'enters an overlay']
  .map((rule) => `rule of forward not ${rule}`)
  .join(', ')
const faulty = (...places: string[]) =>
  `${whole} faults=${places.map((place) => `rule in ${place} not accept`).join(', ')}`

test('networks are apart also when the host forwards, and each works within itself', async () => {
  await host.put(...web.items, ...db.items)
  const [one, two, other] = [await plug(web, 2), await plug(web, 3), await plug(db, 2)]
  const switches = 'net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1'
  await run(host, `sysctl -qw ${switches} net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1`)
  expect(await answers(one, '10.0.9.3')).toBe(true)
  expect(await answers(one, 'fd00:9::3')).toBe(true)
  expect(await Promise.all([answers(one, '10.0.8.2'), answers(one, 'fd00:8::2')])).toEqual([false, false])
  await run(host, 'iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP')
  await run(host, 'iptables-legacy -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP')
  expect(await answers(one, '10.0.9.3')).toBe(false)
  await host.put(pass)
  expect(await answers(one, '10.0.9.3')).toBe(true)
  expect(await answers(two, 'fd00:9::2')).toBe(true)
  expect(await answers(other, '10.0.9.2')).toBe(false)
  // It is our table that keeps them apart, not the policy.
  await run(host, 'iptables-nft -P FORWARD ACCEPT; iptables-legacy -P FORWARD ACCEPT')
  expect(await answers(other, '10.0.9.2')).toBe(false)
  await host.remove(isolation)
  expect(await answers(other, '10.0.9.2')).toBe(true)
})

test('the table is observed, and mended without losing a pass', async () => {
  await host.put(isolation, pass)
  expect(await host.state()).toBe(`${whole}\nisolation`)
  const before = await rules()
  await host.put(isolation, pass)
  expect(await rules()).toBe(before)
  await run(host, 'nft flush chain inet overlay forward')
  expect(await host.state()).toBe(`${whole}\nisolation faults=${flushed}`)
  await host.put(isolation)
  expect(await host.state()).toBe(`${whole}\nisolation`)
  await run(host, 'nft flush ruleset')
  expect(await host.state()).toBe('')
  await host.remove(pass, isolation)
  expect(await rules()).toBe('')
})

test('beside Docker: a rule in DOCKER-USER where it is in use, else in every forward chain', async () => {
  await run(host, 'iptables-nft -P FORWARD DROP; nft add table inet fw')
  await run(host, "nft add chain inet fw forward '{ type filter hook forward priority 0; policy drop; }'")
  await host.put(isolation)
  const foreign = await rules()
  await host.put(pass)
  const rule = `-i ${pass.bridge} -o ${pass.bridge} -m comment --comment overlay -j ACCEPT`
  expect(await run(host, 'iptables-nft -S FORWARD')).toBe(`-P FORWARD DROP\n-A FORWARD ${rule}`)
  expect(await run(host, 'nft list chain inet fw forward')).toContain('comment "overlay"')
  expect(await passState()).toEqual([whole])

  // Docker comes: flushes, and jumps to its own chain.
  await run(host, 'iptables-nft -F FORWARD; iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN')
  await run(host, 'iptables-nft -I FORWARD -j DOCKER-USER')
  expect(await passState()).toEqual([faulty('ip filter DOCKER-USER')])
  await host.put(pass)
  await host.put(pass)
  expect(await passState()).toEqual([whole])
  expect(await run(host, 'iptables-nft -S DOCKER-USER')).toBe(
    `-N DOCKER-USER\n-A DOCKER-USER ${rule}\n-A DOCKER-USER -j RETURN`,
  )
  expect(await run(host, 'iptables-nft -S FORWARD')).not.toContain('overlay')

  await run(host, 'iptables-nft -F DOCKER-USER; iptables-nft -X DOCKER-USER 2>/dev/null; iptables-nft -F FORWARD')
  await run(host, 'iptables-nft -X DOCKER-USER; nft flush chain inet fw forward; iptables-nft -L >/dev/null')
  expect(await rules()).toContain('policy drop')
  await host.put(pass)
  await host.remove(pass)
  expect(await rules()).toBe(foreign)
})

test('legacy iptables: only where it is loaded, at the head, removed again', async () => {
  await host.put(isolation, pass)
  expect(await run(host, 'cat /proc/net/ip_tables_names')).toBe('')
  await run(host, 'iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -i lo -j DROP')
  await run(host, 'ip6tables-legacy -P FORWARD DROP')
  expect(await passState()).toEqual([faulty('iptables-legacy FORWARD', 'ip6tables-legacy FORWARD')])
  await host.put(pass)
  expect(await passState()).toEqual([whole])
  const rule = `-i ${pass.bridge} -o ${pass.bridge} -m comment --comment overlay -j ACCEPT`
  expect(await run(host, 'iptables-legacy -S FORWARD')).toBe(
    `-P FORWARD DROP\n-A FORWARD ${rule}\n-A FORWARD -i lo -j DROP`,
  )
  expect(await run(host, 'ip6tables-legacy -S FORWARD')).toBe(`-P FORWARD DROP\n-A FORWARD ${rule}`)
  await host.put(pass)
  await run(host, 'iptables-legacy -N DOCKER-USER; iptables-legacy -I FORWARD -j DOCKER-USER')
  expect(await passState()).toEqual([faulty('iptables-legacy DOCKER-USER')])
  await host.put(pass)
  expect(await run(host, 'iptables-legacy -S DOCKER-USER')).toBe(`-N DOCKER-USER\n-A DOCKER-USER ${rule}`)
  await host.remove(pass)
  expect(await run(host, 'iptables-legacy -S; ip6tables-legacy -S')).not.toContain('overlay')
  expect(await passState()).toEqual([])
})

test('rules left in the chains of others are told, and removed', async () => {
  await run(
    host,
    "nft add table ip6 filter; nft add chain ip6 filter FORWARD '{ type filter hook forward priority 0; }'",
  )
  await host.put(isolation, pass, { kind: 'bridge-pass', bridge: 'ovbr7' })
  await run(host, 'nft delete table inet overlay')
  expect(await host.state()).toBe(
    [pass.bridge, 'ovbr7']
      .map((bridge) => `bridge-pass bridge=${bridge} faults=table inet overlay not ${bridge}`)
      .join('\n'),
  )
  await host.remove(pass, { kind: 'bridge-pass', bridge: 'ovbr7' })
  expect(await host.state()).toBe('')
  expect(await rules()).not.toContain('overlay')
})
