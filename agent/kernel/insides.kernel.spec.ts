import { once } from 'node:events'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SandboxOf } from './kernel.ts'
import { run, type TestHost, TestHosts, until } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
const [web, db] = [testNetwork('web', 9, '192.0.2.1'), testNetwork('db', 8, '192.0.2.1')]

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  await host.put(...web.items, ...db.items)
})
afterEach(() => hosts.close())

async function insides(sandboxOf?: SandboxOf): Promise<Record<string, unknown>> {
  const items = await host.within(() => host.kernel.observe(sandboxOf))
  return Object.fromEntries(items.flatMap((item) => (item.kind === 'veth' ? [[item.name, item.inside]] : [])))
}

test('each far end is told, also of two in one sandbox, and nothing of what is beside it', async () => {
  const sandbox = await hosts.namespace()
  const { cookie } = host.kernel.netnsIdentity(sandbox.path)
  const [first, second] = [web.local(2, sandbox.path, cookie).veth, db.local(2, sandbox.path, cookie).veth]
  await host.put(first, { ...second, mtu: 1400, inside: { ...second.inside, ifname: 'eth1' } })
  await run(sandbox, 'ip addr add 192.0.2.9/32 dev lo; ip addr add 192.0.2.8/32 dev eth1')
  expect(await insides()).toEqual({
    [first.name]: {
      ifname: 'eth0',
      up: true,
      mac: first.inside.mac,
      mtu: 1450,
      addresses: ['10.0.9.2/24', 'fd00:9::2/64'],
    },
    [second.name]: {
      ifname: 'eth1',
      up: true,
      mac: second.inside.mac,
      mtu: 1400,
      addresses: ['10.0.8.2/24', '192.0.2.8/32', 'fd00:8::2/64'],
    },
  })
  expect(await host.kernel.linkAddresses()).toEqual([
    { device: web.bridge.name, alias: web.bridge.alias, addresses: ['10.0.9.1', 'fd00:9::1'] },
    { device: db.bridge.name, alias: db.bridge.alias, addresses: ['10.0.8.1', 'fd00:8::1'] },
    { device: first.name, alias: first.alias, addresses: ['10.0.9.2', 'fd00:9::2'] },
    { device: second.name, alias: second.alias, addresses: ['10.0.8.2', '192.0.2.8', 'fd00:8::2'] },
  ])
})

test('routes are told where the way to the sandbox is known', async () => {
  const sandbox = await hosts.namespace()
  const { veth } = web.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  await host.put(veth)
  await run(sandbox, 'ip route add 192.0.2.0/24 dev eth0; ip route add 198.51.100.0/24 via 10.0.9.7')
  await run(sandbox, 'ip route add default via 10.0.9.7 metric 34049')
  const byGateway = (gateway: string) => ({ gateway, metric: 34_048, gwPriority: 0 })
  expect(await insides(() => veth.inside)).toMatchObject({
    [veth.name]: {
      routes: {
        onLink: ['10.0.9.0/24', '192.0.2.0/24', 'fd00:9::/64'],
        defaults: [byGateway('10.0.9.1'), byGateway('fd00:9::1')],
      },
    },
  })
  const elsewhere = { netns: sandbox.path, cookie: '1' }
  expect(await insides(() => elsewhere)).not.toHaveProperty([veth.name, 'routes'])
  expect(await insides(() => ({ ...elsewhere, netns: '/none' }))).toHaveProperty([veth.name, 'mtu'], 1450)
})

test('another name that somebody gave it is told, and stays while the rest is kept', async () => {
  const sandbox = await hosts.namespace()
  const { veth } = web.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  await host.put(veth)
  await run(sandbox, 'ip link set eth0 down; ip link set eth0 name foo; ip link set foo up mtu 1400')
  expect(await insides(() => veth.inside)).toMatchObject({ [veth.name]: { ifname: 'foo', mtu: 1400 } })
  await host.put(veth)
  expect(await insides(() => veth.inside)).toMatchObject({ [veth.name]: { ifname: 'foo', mtu: 1450, up: true } })
})

test('looking keeps no sandbox alive', async () => {
  const sandbox = await hosts.namespace()
  const { veth } = web.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  await host.put(veth)
  expect(await insides()).toMatchObject({ [veth.name]: { mtu: 1450 } })
  await hosts.delete(sandbox)
  await until(async () => !(await run(host, 'ip -br link')).includes(veth.name))
  expect(await insides()).toEqual({})
})

test.each([
  ['leads nowhere', 'rm'],
  ['leads to a plain file', 'test -f'],
])('where the path of a live sandbox %s, the host’s end follows and the rest is told', async (_, command) => {
  const sandbox = await hosts.namespace()
  const { veth } = web.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  await host.put(veth)
  const holder = execa('nsenter', [`--net=${sandbox.path}`, 'sh', '-c', 'echo inside; exec sleep 60'], {
    reject: false,
  })
  try {
    await once(holder.stdout, 'data')
    await run(host, `umount ${sandbox.path}; ${command} ${sandbox.path}`)
    const smaller = { ...veth, mtu: 1300 }
    expect(await host.put(smaller)).toMatchObject([{ ok: false, error: { code: 'not_found' } }])
    expect(await host.state()).toMatch(/^veth .* mtu=1300 .* inside=1450,/m)
    // What is amiss at the host's end alone needs no path.
    expect(await host.put(veth)).toEqual([{ ok: true, rebuilt: false }])
  } finally {
    holder.kill()
    await holder
  }
})

test('an interface that a workload took elsewhere is told from there, and left alone', async () => {
  const [sandbox, elsewhere] = [await hosts.namespace(), await hosts.namespace()]
  const { veth } = web.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  await host.put(veth)
  await run(sandbox, `ip link set eth0 netns ${elsewhere.name}; ip link add eth0 type veth peer name other`)
  const before = await run(sandbox, 'ip -d addr')
  expect(await insides()).toEqual({
    [veth.name]: { ifname: 'eth0', up: false, mac: veth.inside.mac, mtu: 1450, addresses: [] },
  })
  expect(await insides(() => veth.inside)).toEqual({ [veth.name]: undefined })
  expect(await host.put(veth)).toEqual([{ ok: true, rebuilt: false }])
  expect(await run(sandbox, 'ip -d addr')).toBe(before)
})
