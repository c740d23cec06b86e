import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../lib/log.ts'
import { isAgentRunning } from '../node/only-agent.ts'
import { purgeHost } from '../purge.ts'
import { purge } from './purge.ts'
import { run, type TestHost, TestHosts } from './test-host.ts'
import { testNetwork } from './test-network.ts'

const log = createLogger('spec', 'silent')
let hosts: TestHosts
let host: TestHost
const web = testNetwork('web', 9, '192.0.2.1')

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
})
afterEach(() => hosts.close())

const everything = () =>
  run(
    host,
    `ip -br link; ip addr; ip route show table all; ip -6 route show table all; nft list ruleset
     iptables-legacy -S; ip6tables-legacy -S`,
  )

/** What is others', some of it near to ours. */
async function foreign(): Promise<void> {
  await run(
    host,
    `ip link add ovirtmgmt type bridge; ip link add ovbr77 type bridge; ip link set ovbr77 alias theirs
     ip link add name br0 type bridge; ip addr add 10.7.0.1/24 dev br0
     ip link set br0 addrgenmode none; ip link set br0 up
     ip link add ove0123 type veth peer name v1
     ip link add ovbr1 type bridge; ip link set v1 master ovbr1
     ip link add ovbr2 type bridge; ip addr add 10.8.0.1/24 dev ovbr2
     nft add table inet fw; nft add chain inet fw forward '{ type filter hook forward priority 0; policy drop; }'
     nft add rule inet fw forward iifname br0 oifname br0 counter accept comment '"overlay"'
     iptables-legacy -A FORWARD -i lo -j DROP; ip6tables-legacy -A FORWARD -i lo -j DROP`,
  )
}

test('nothing of ours is left, whatever cluster it was of, and what is others’ stays', async () => {
  await foreign()
  const before = await everything()
  const sandbox = await hosts.namespace()
  const { veth, entry } = web.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  await host.put(...web.items, veth, entry, ...web.remote(3, '192.0.2.2'))
  await run(
    host,
    `ip link add ovbr5 type bridge; ip link set ovbr5 alias overlay/another-cluster/db
     ip link add ovbr6 type bridge; ip link add ove0123456789ab type veth peer name v2
     ip route add 198.51.100.0/24 via 10.7.0.2 proto 79; ip route add 198.51.101.0/24 via 10.7.0.2 proto 79
     ip -6 route add 2001:db8:5::/48 dev br0 proto 79`,
  )
  expect(await run(sandbox, 'ip -br addr show eth0')).toContain('10.0.9.2')
  const { removed, left } = await host.within(() => purge(log))
  expect(left).toEqual([])
  expect(removed.toSorted()).toEqual(
    [
      `veth ${veth.name} (${veth.alias})`,
      'veth ove0123456789ab',
      `vxlan ${web.vxlan.name} (${web.vxlan.alias})`,
      `bridge ${web.bridge.name} (${web.bridge.alias})`,
      'bridge ovbr5 (overlay/another-cluster/db)',
      'bridge ovbr6',
      '2 IPv4 routes of protocol 79',
      '1 IPv6 routes of protocol 79',
      'nftables table inet overlay',
      `firewall rules for bridge ${web.bridge.name}`,
    ].toSorted(),
  )
  expect(await everything()).toBe(before)
  expect(await run(sandbox, 'ip -br link')).toMatch(/^lo [^\n]*$/)
  expect(await host.within(() => purge(log))).toEqual({ removed: [], left: [] })
})

test('rules that are left without table and bridges are removed too', async () => {
  await run(host, 'iptables-legacy -P FORWARD DROP; iptables-nft -P FORWARD DROP')
  await host.put(...web.items)
  await run(host, `nft delete table inet overlay; ip link del ${web.bridge.name}`)
  const { removed } = await host.within(() => purge(log))
  expect(removed).toContain(`firewall rules for bridge ${web.bridge.name}`)
  expect(await run(host, 'nft list ruleset; iptables-legacy -S')).not.toContain('ovbr')
})

test('while an agent runs on this host nothing is done', async () => {
  await host.put(...web.items)
  await host.within(async () => {
    const agent = createServer().listen({ path: '\0overlay-agent/of-this-spec' })
    await once(agent, 'listening')
    try {
      expect(isAgentRunning()).toBe(true)
      await expect(purgeHost(log, () => undefined)).rejects.toThrow('an agent runs on this host')
    } finally {
      await new Promise((resolve) => agent.close(resolve))
    }
    expect(isAgentRunning()).toBe(false)
  })
  const told: string[] = []
  await host.within(() => purgeHost(log, (text) => void told.push(text)))
  expect(told).toContain(`removed bridge ${web.bridge.name} (${web.bridge.alias})\n`)
  told.splice(0)
  await host.within(() => purgeHost(log, (text) => void told.push(text)))
  expect(told).toEqual(['nothing of ours is on this host\n'])
})
