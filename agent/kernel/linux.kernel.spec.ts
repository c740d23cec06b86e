import { once } from 'node:events'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { macOf } from '../../lib/mac.ts'
import type { Item } from '../state/item.ts'
import type { OperationResult } from './kernel.ts'
import { itemText, run, type TestHost, TestHosts, until } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
const network = testNetwork('web', 9, '192.0.2.1')

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
})
afterEach(() => hosts.close())

/** Plugs endpoint 2 into a fresh sandbox, all on its host included. */
async function pluggedIn() {
  const sandbox = await hosts.namespace()
  const { veth, entry } = network.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  const items: Item[] = [...network.items, veth, entry, ...network.remote(3, '192.0.2.2')]
  return { sandbox, veth, entry, items }
}

function desiredText(items: readonly Item[]): string {
  return items.map(itemText).toSorted().join('\n')
}

function faults(results: readonly OperationResult[]): string[] {
  return results.flatMap((result) => (result.ok ? [] : [`${result.error.code}: ${result.error.message}`]))
}

test('what is put is observed, may be put again, and is gone after delete', async () => {
  const { items, sandbox } = await pluggedIn()
  expect(faults(await host.put(...items))).toEqual([])
  expect(await host.state()).toBe(desiredText(items))

  const everything = async () =>
    (await run(host, 'ip -d link; ip addr; bridge fdb; ip neigh; nft list ruleset')).replace(/_timer +[\d.]+/g, '')
  const before = await everything()
  expect(await host.put(...items)).toEqual(items.map(() => ({ ok: true, rebuilt: false })))
  expect(await everything()).toBe(before)
  expect(await run(sandbox, 'ip -br addr show eth0; ip route; ip -6 route show default')).toContain(
    'default via 10.0.9.1 dev eth0',
  )

  expect(faults(await host.remove(...items.toReversed()))).toEqual([])
  expect(await host.state()).toBe('')
  expect(await run(host, 'ip -br link; nft list ruleset')).toMatch(/^lo [^\n]*$/)
  expect(faults(await host.remove(...items.toReversed()))).toEqual([])
})

test('only static and permanent things of ours are told, and each may be deleted alone', async () => {
  const { items, entry, veth } = await pluggedIn()
  await host.put(...items)
  const [remote, ...neighbours] = network.remote(3, '192.0.2.2')
  await run(host, `ip link set ${network.bridge.name} addrgenmode eui64; ip link add other type bridge`)
  await host.remove(entry, ...(remote ? [remote] : []), ...neighbours)
  const left = (await host.state()).split('\n').map((line) => line.split(' ')[0])
  expect(left).toEqual(['address', 'address', 'bridge', 'bridge-pass', 'isolation', 'veth', 'vxlan'])
  expect(await run(host, `bridge fdb show dev ${veth.name}`)).not.toContain(entry.mac)
})

test('somebody changes settings: what was changed is told, and mended', async () => {
  const { items, veth } = await pluggedIn()
  await host.put(...items)
  const { bridge, vxlan } = network
  await run(
    host,
    `bridge link set dev ${vxlan.name} learning on flood on; bridge link set dev ${veth.name} flood on
     ip link set ${bridge.name} type bridge stp_state 1; ip link set ${vxlan.name} mtu 1400
     ip link set ${veth.name} nomaster; bridge fdb del ${macOf('endpoint', 'web', '3')} dev ${vxlan.name} self`,
  )
  const changed = await host.state()
  expect(changed).toMatch(/^bridge .*faults=stp_state 1 not 0, forward_delay 200 not 0$/m)
  expect(changed).toMatch(/^veth .*bridge= /m)
  expect(changed).toMatch(/^vxlan .*mtu=1400.*faults=learning 1 not 0, flood 1 not 0$/m)
  expect(changed).not.toContain('remote-entry')
  expect(await host.put(...items)).toEqual(items.map(() => ({ ok: true, rebuilt: false })))
  expect(await host.state()).toBe(desiredText(items))
})

test('half of a remote entry is told as such or as the bridge half, and either can be removed', async () => {
  await host.put(...network.items, ...network.remote(3, '192.0.2.2'), ...network.remote(4, '192.0.2.2'))
  const { vxlan } = network
  const [three, four] = [3, 4].map((number) => macOf('endpoint', 'web', String(number)))
  await run(host, `bridge fdb del ${three} dev ${vxlan.name} master; bridge fdb del ${four} dev ${vxlan.name} self`)
  const seen = (await host.within(() => host.kernel.observe())).filter(({ kind }) => kind.endsWith('-entry'))
  expect(seen).toEqual([
    { kind: 'port-entry', dev: vxlan.name, mac: four },
    {
      kind: 'remote-entry',
      dev: vxlan.name,
      mac: three,
      vtep: '192.0.2.2',
      faults: [{ what: 'entry of the bridge', wanted: 'static', found: '' }],
    },
  ])
  const results = await host.within(() => host.kernel.apply(seen.map((item) => ({ do: 'delete', item }))))
  expect(faults(results)).toEqual([])
  expect(await host.state()).not.toContain('entry')
})

test('a VXLAN device changes its local address in place, and is made anew for another VNI or port', async () => {
  await host.put(...network.items, ...network.remote(3, '192.0.2.2'))
  const { vxlan } = network
  expect(await host.put({ ...vxlan, local: parseIp('192.0.2.9') })).toEqual([{ ok: true, rebuilt: false }])
  expect(await host.state()).toContain('local=192.0.2.9')
  expect(await host.state()).toContain('remote-entry')
  expect(await host.put({ ...vxlan, port: 4790 })).toEqual([{ ok: true, rebuilt: true }])
  expect(await host.put({ ...vxlan, local: parseIp('2001:db8::1') })).toEqual([{ ok: true, rebuilt: true }])
  expect(await host.state()).toMatch(/^vxlan .*local=2001:db8::1 port=4789 /m)
  expect(await host.state()).not.toContain('remote-entry')
})

test('the MTU changes everywhere, in the sandbox too', async () => {
  const { items, sandbox } = await pluggedIn()
  await host.put(...items)
  const smaller = items.map((item): Item => ('mtu' in item ? { ...item, mtu: 1300 } : item))
  expect(faults(await host.put(...smaller))).toEqual([])
  expect(await host.state()).toBe(desiredText(smaller))
  expect(await run(sandbox, 'ip link show eth0')).toContain('mtu 1300')
  expect(faults(await host.put(...items))).toEqual([])
  expect(await host.state()).toBe(desiredText(items))
})

test('what is not ours is neither told nor touched', async () => {
  const { bridge, vxlan } = network
  await run(
    host,
    `ip link add ${bridge.name} type bridge; ip link set ${bridge.name} alias mine
     ip link add ovirtmgmt type bridge; ip link add ${vxlan.name} type veth peer name ovpeer`,
  )
  const before = await run(host, 'ip -d link')
  const results = await host.put(bridge, vxlan, ...network.remote(3, '192.0.2.2'))
  expect(faults(results)).toEqual([
    `already_exists: link ${bridge.name} exists and is not ours (bridge, alias "mine"): rename or remove it`,
    `already_exists: link ${bridge.name} exists and is not ours (bridge, alias "mine"): rename or remove it`,
    ...Array.from({ length: 1 }, () => expect.stringContaining(`link ${vxlan.name} exists and is not ours`)),
    ...Array.from({ length: 2 }, () => expect.stringContaining(`link ${bridge.name} exists and is not ours`)),
  ])
  expect(await host.state()).toBe('')
  expect(faults(await host.remove(vxlan, bridge))).toEqual([])
  expect(await run(host, 'ip -d link')).toBe(before)
})

test('a VNI that another device uses is refused, naming it', async () => {
  const { bridge, vxlan } = network
  await run(host, `ip link add flannel.1 type vxlan id ${vxlan.vni} local 192.0.2.1 dstport 4789`)
  expect(faults(await host.put(bridge, vxlan))).toEqual([
    `already_exists: cannot create vxlan ${vxlan.name}: link flannel.1 uses VNI ${vxlan.vni} on UDP port 4789 already: remove it`,
  ])
})

test('links that we were interrupted at are told with an empty alias, and finished or removed', async () => {
  const { items, veth } = await pluggedIn()
  await host.put(...items)
  const { bridge, vxlan } = network
  await run(host, `for l in ${bridge.name} ${vxlan.name} ${veth.name}; do ip link set $l alias ''; done`)
  expect((await host.state()).match(/alias=( |$)/gm)).toHaveLength(3)
  const results = await host.put(...items)
  expect(results.filter((result) => result.ok && result.rebuilt)).toHaveLength(1)
  expect(await host.state()).toBe(desiredText(items))
  await run(host, `ip link set ${veth.name} alias ''`)
  expect(faults(await host.remove(veth))).toEqual([])
  expect(await host.state()).not.toContain('veth')
})

test('a plug that fails leaves nothing behind', async () => {
  const { items, sandbox, veth } = await pluggedIn()
  await host.put(...network.items)
  const links = () => run(host, 'ip -br link')
  const before = await links()

  const inside = { ...veth.inside, gateways: [parseIp('203.0.113.1')] }
  expect(faults(await host.put({ ...veth, inside }))).toEqual([
    expect.stringContaining('cannot add the default route by 203.0.113.1'),
  ])
  expect(await links()).toBe(before)
  expect(await run(sandbox, 'ip -br link')).not.toContain('eth0')

  await run(sandbox, 'ip link add eth0 type bridge')
  expect(faults(await host.put(veth))).toEqual([
    `already_exists: ${sandbox.path} has an interface eth0 already: give another name with --ifname, or remove it`,
  ])
  expect(await links()).toBe(before)

  await run(
    sandbox,
    'ip link del eth0; ip link add old type bridge; ip addr add 198.51.100.2/24 dev old; ip link set old up',
  )
  await run(sandbox, 'ip route add default via 198.51.100.1')
  expect(faults(await host.put(...items))).toEqual([])
  expect(await run(sandbox, 'ip route get 203.0.113.1')).toContain('via 198.51.100.1 dev old')
})

test('only the sandbox that is meant is plugged into', async () => {
  const { sandbox, veth, items } = await pluggedIn()
  await host.put(...network.items)
  await hosts.delete(sandbox)
  expect(faults(await host.put(veth))).toEqual([
    `not_found: there is no network namespace ${sandbox.path}: is the workload running?`,
  ])
  const other = await hosts.namespace()
  expect(faults(await host.put({ ...veth, inside: { ...veth.inside, netns: other.path } }))).toEqual([
    `not_found: the sandbox is gone: ${other.path} is another network namespace by now; attach again`,
  ])
  expect(faults(await host.put({ ...veth, inside: { ...veth.inside, netns: host.path } }))).toEqual([
    `not_found: the sandbox is gone: ${host.path} is this host's own network namespace: give a workload's; attach again`,
  ])
  expect(await host.state()).toBe(desiredText(items.slice(0, network.items.length)))
})

test('nothing of a sandbox stays open: deleted, it is gone, and the pair with it', async () => {
  const { items, sandbox, veth } = await pluggedIn()
  await host.put(...items)
  host.kernel.netnsIdentity(sandbox.path)
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  for (let times = 0; times < 10; times++) host.kernel.netnsIdentity(sandbox.path)
  await host.put({ ...veth, mtu: 1400 })
  expect(open()).toBe(before)
  await hosts.delete(sandbox)
  await until(async () => !(await run(host, 'ip -br link')).includes(veth.name))
})

test('the thread is home after every call, and paths that are no namespace are refused', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'overlay-spec-'))
  try {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    const sandbox = await hosts.namespace()
    await host.within(async () => {
      const home = readlinkSync('/proc/thread-self/ns/net')
      const { cookie } = host.kernel.netnsIdentity(sandbox.path)
      expect(cookie).toMatch(/^\d+$/)
      expect(host.kernel.netnsIdentity(sandbox.path).cookie).toBe(cookie)
      expect(() => host.kernel.netnsIdentity(join(directory, 'none'))).toThrow('there is no network namespace')
      for (const path of [file, directory, '/proc/self/ns/mnt'])
        expect(() => host.kernel.netnsIdentity(path)).toThrow(
          `${path} is not a network namespace: give /run/netns/NAME`,
        )
      // Nobody is on its other side: open(2) says that there is no such device.
      const socket = createServer().listen(join(directory, 'socket'))
      await once(socket, 'listening')
      try {
        expect(() => host.kernel.netnsIdentity(join(directory, 'socket'))).toThrow(
          expect.objectContaining({ code: 'invalid' }),
        )
      } finally {
        socket.close()
      }
      expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home)
    })
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('results stand in the order of the operations, past failures', async () => {
  const [remote, four, six] = network.remote(3, '192.0.2.2')
  if (!remote || !four || !six) throw new Error('a remote endpoint is three items')
  await host.put(...network.items)
  const results = await host.put(remote, { ...four, dev: 'ovbr1' }, six, { ...six, dev: 'ovbr1' }, four)
  expect(results.map((result) => result.ok)).toEqual([true, false, true, false, true])
  expect(faults(results)).toEqual(Array.from({ length: 2 }, () => 'not_found: there is no link ovbr1'))
})

test('20,000 entries are written in batches, each failure by itself', async () => {
  await host.put(...network.items)
  const items = Array.from({ length: 10_000 }, (_, at): Item[] => {
    const mac = macOf('many', String(at))
    const address = parseIp(`10.1.${at >> 8}.${at & 255}`)
    return [
      { kind: 'remote-entry', dev: network.vxlan.name, mac, vtep: parseIp('192.0.2.2') },
      { kind: 'neighbour', dev: network.bridge.name, address, mac },
    ]
  }).flat()
  expect(faults(await host.put(...items))).toEqual([])
  expect((await host.state()).match(/^(remote-entry|neighbour) /gm)).toHaveLength(20_000)
  const bad = items.slice(0, 150).map((item): Item => {
    return item.kind === 'remote-entry' ? { ...item, dev: network.bridge.name } : item
  })
  expect((await host.put(...bad)).map((result) => result.ok)).toEqual(bad.map(({ kind }) => kind === 'neighbour'))
  expect(faults(await host.remove(...items))).toEqual([])
  expect(await host.state()).not.toMatch(/remote-entry|neighbour/)
})

test('underlays and source addresses', async () => {
  await run(
    host,
    `ip link add eth9 type veth peer name peer9; ip link set eth9 mtu 9000; ip link set eth9 up
     ip addr add 192.0.2.1/24 dev eth9; ip addr add 2001:db8::1/64 dev eth9 nodad`,
  )
  await host.put(...network.items)
  expect(host.kernel.underlays()).toEqual([{ name: 'eth9', mtu: 9000, addresses: ['192.0.2.1', '2001:db8::1'] }])
  expect(host.kernel.sourceTowards(parseIp('127.0.0.1'))).toBe('127.0.0.1')
  expect(host.kernel.sourceTowards(parseIp('198.51.100.1'))).toBeUndefined()
  expect(host.kernel.sourceTowards(parseIp('2001:db8:ffff::1'))).toBeUndefined()
})
