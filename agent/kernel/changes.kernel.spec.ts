import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { macOf } from '../../lib/mac.ts'
import type { Item } from '../state/item.ts'
import type { KernelChanges } from './kernel.ts'
import { RuleChanges } from './rule-changes.ts'
import { answers, run, type TestHost, TestHosts, until } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
const [web, db] = [testNetwork('web', 9, '192.0.2.1'), testNetwork('db', 8, '192.0.2.1')]
const told = { ours: false, host: false, firewall: false }

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  await host.put(...web.items)
  host.kernel.watchChanges(note, hosts.signal)
  forget()
})
afterEach(() => hosts.close())

function note(changes: KernelChanges): void {
  told.ours ||= changes.ours
  told.host ||= changes.host
  told.firewall ||= changes.firewall
}

const forget = () => Object.assign(told, { ours: false, host: false, firewall: false })

/** What was told since it was last forgotten, but for `host`, by which it is known that all was told. */
async function heard(): Promise<string[]> {
  told.host = false
  await run(host, 'ip addr add 198.51.100.1/32 dev lo; ip addr del 198.51.100.1/32 dev lo')
  await until(async () => told.host)
  return (['ours', 'firewall'] as const).filter((what) => told[what])
}

async function plug(network: typeof web, endpoint: number, ifname = 'eth0') {
  const sandbox = await hosts.namespace()
  const { veth, entry } = network.local(endpoint, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  const items = [{ ...veth, inside: { ...veth.inside, ifname } }, entry]
  return { sandbox, veth, items, put: () => host.put(...items) }
}

test('what we do ourselves is not told, whatever it is', async () => {
  const { put, veth, items, sandbox } = await plug(web, 2)
  host.kernel.prepare(veth)
  host.kernel.abandon(veth.name)
  host.kernel.prepare(veth)
  await put()
  await host.put(...db.items, ...web.remote(3, '192.0.2.2'), ...web.remote(4, '192.0.2.2'))
  // It goes up, gets its link-local address, and its announcements are sent, some time after.
  await until(async () => !(await run(sandbox, 'ip -6 addr show tentative')).includes('inet6'))
  await until(() => answers(sandbox, '10.0.9.1'))
  expect(await heard()).toEqual([])
  const resized = items.map((item): Item => (item.kind === 'veth' ? { ...item, mtu: 1300 } : item))
  await host.put({ ...web.vxlan, local: parseIp('192.0.2.9'), floods: true }, web.flood('192.0.2.2'), ...resized)
  await host.put({ kind: 'address', dev: web.bridge.name, address: parseIp('fd00:9::1'), prefix: 60 })
  await host.put({ ...web.vxlan, port: 4790 }, ...web.remote(3, '192.0.2.7'))
  await host.remove(...web.remote(3, '192.0.2.7'), ...resized, ...db.items)
  expect(await heard()).toEqual([])
})

test('20,000 entries that we write are not told, and what another does among them is', async () => {
  const entries = Array.from({ length: 10_000 }, (_, at): Item[] => {
    const mac = macOf('many', String(at))
    const address = parseIp(`10.1.${at >> 8}.${at & 255}`)
    return [
      { kind: 'remote-entry', dev: web.vxlan.name, mac, vtep: parseIp('192.0.2.2') },
      { kind: 'neighbour', dev: web.bridge.name, address, mac },
    ]
  }).flat()
  await host.put(...entries)
  await host.remove(...entries.slice(0, 5_000))
  expect(await heard()).toEqual([])
  const putting = host.put(...entries)
  await run(host, `bridge fdb del ${macOf('many', '9999')} dev ${web.vxlan.name} self`)
  await putting
  expect(await heard()).toEqual(['ours'])
})

test('what others have there, and what the kernel finds out, is not told', async () => {
  const { put, sandbox } = await plug(web, 2)
  await put()
  const other = await hosts.namespace()
  await run(host, `ip link add foreign0 type veth peer name eth9 netns ${other.name}; ip link add sw0 type bridge`)
  await run(host, 'ip link set foreign0 master sw0 up; ip link set sw0 up; ip addr add 203.0.113.1/24 dev sw0')
  await run(other, 'ip link set eth9 up; ip addr add 203.0.113.2/24 dev eth9; ip route add default via 203.0.113.1')
  await until(() => answers(other, '203.0.113.1'))
  // ARP and ND of a sandbox with the gateway, and the gateway's with it; and somebody who is not there.
  for (const address of ['10.0.9.1', 'fd00:9::1']) await until(() => answers(sandbox, address))
  expect(await answers(host, '10.0.9.77')).toBe(false)
  await run(sandbox, 'ip neigh flush all; ip addr add 192.0.2.7/24 dev eth0; ip route add 198.51.100.0/24 via 10.0.9.7')
  await run(host, `ip neigh flush dev ${web.bridge.name}; ip link del foreign0; ip link del sw0`)
  expect(await heard()).toEqual([])
})

test('routes, addresses and links of the host are told as such, and not those of sandboxes', async () => {
  const other = await hosts.namespace()
  await run(host, `ip link add eth5 type veth peer name eth6 netns ${other.name}`)
  const isTold = async (command: string) => {
    await until(async () => (forget(), await heard(), !told.ours))
    told.host = false
    await run(host, command)
    await until(async () => told.host)
    expect(told).toEqual({ ours: false, host: true, firewall: false })
  }
  for (const command of [
    'ip link set eth5 up',
    'ip link set eth5 mtu 1400',
    'ip addr add 203.0.113.1/24 dev eth5',
    'ip route add 198.51.100.0/24 dev eth5',
    'ip route del 198.51.100.0/24',
    'ip route add blackhole 198.51.100.0/24',
    'ip -6 route add 2001:db8::/32 dev eth5',
    'ip addr del 203.0.113.1/24 dev eth5',
    'ip link set eth5 down',
    'ip link set eth5 name eth7 up',
    'ip link del eth7',
  ])
    await isTold(command)
})

test('nftables: rules of others are told, sets and other families are not', async () => {
  await run(host, "nft add table inet fw; nft add set inet fw bad '{ type ipv4_addr; }'; nft add table bridge b")
  await run(host, "nft add chain inet fw forward '{ type filter hook forward priority 0; }'")
  expect(await heard()).toEqual(['firewall'])
  forget()
  await run(host, "nft add element inet fw bad '{ 192.0.2.7 }'; nft add chain bridge b c; nft add rule bridge b c drop")
  expect(await heard()).toEqual([])
  await host.put({ kind: 'bridge-pass', bridge: 'ovbr7' }, { kind: 'isolation' })
  expect(await heard()).toEqual([])
  await run(host, 'iptables-nft -P FORWARD DROP')
  expect(await heard()).toEqual(['firewall'])
})

test('nftables: what others do while a change of ours fails is told', async () => {
  await run(host, 'nft add table inet fw')
  const rules = await host.within(async () => new RuleChanges())
  try {
    rules.subscribe()
    const change = async () =>
      void (await run(host, "nft add chain inet fw forward '{ type filter hook forward priority 0; }'"))
    await rules.ownChange(change)
    expect(rules.take()).toBe(false)
    const failing = rules.ownChange(async () => {
      await run(host, 'nft delete chain inet fw forward')
      throw new Error('refused')
    })
    await expect(failing).rejects.toThrow('refused')
    expect(rules.take()).toBe(true)
  } finally {
    rules.close()
  }
})

test('where something was missed, all is told, and then only what is new', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'overlay-changes-'))
  try {
    const lines = Array.from({ length: 30_000 }, (_, at) => {
      return `fdb replace 02:00:00:00:00:01 dev ${web.vxlan.name} self static dst 192.0.2.${at % 250}`
    })
    writeFileSync(join(directory, 'batch'), lines.join('\n'))
    // Nobody takes what comes while this runs.
    execFileSync('nsenter', [`--net=${host.path}`, 'bridge', '-batch', join(directory, 'batch')])
    expect(await heard()).toEqual(['ours', 'firewall'])
  } finally {
    rmSync(directory, { recursive: true })
  }
  forget()
  expect(await heard()).toEqual([])
  await run(host, `bridge fdb del 02:00:00:00:00:01 dev ${web.vxlan.name} self`)
  expect(await heard()).toEqual(['ours'])
})

test('a namespace that is deleted is told, and one that takes its number is not taken for it', async () => {
  const { put, sandbox, veth } = await plug(web, 2)
  await put()
  expect(await heard()).toEqual([])
  await hosts.delete(sandbox)
  await until(async () => told.ours)
  expect(await host.state()).not.toContain(veth.name)
  const other = await hosts.namespace()
  await run(host, `ip link add foreign0 type veth peer name eth0 netns ${other.name}`)
  forget()
  await run(other, 'ip addr add 192.0.2.7/24 dev eth0; ip addr del 192.0.2.7/24 dev eth0; ip link set eth0 up')
  expect(await heard()).toEqual([])
})

test('what happened before is not told to who begins to watch, and nothing to who has stopped', async () => {
  const stopped = new AbortController()
  const late: KernelChanges[] = []
  await run(host, `ip neigh add 10.0.9.77 lladdr 02:00:00:00:00:77 dev ${web.bridge.name} nud permanent`)
  expect(await heard()).toEqual(['ours'])
  host.kernel.watchChanges((changes) => late.push(changes), stopped.signal)
  await heard()
  expect(late.length).toBeGreaterThan(0)
  expect(late.some(({ ours }) => ours)).toBe(false)
  stopped.abort()
  late.length = 0
  await heard()
  expect(late).toEqual([])
  host.kernel.watchChanges((changes) => late.push(changes), stopped.signal)
  await heard()
  expect(late).toEqual([])
})
