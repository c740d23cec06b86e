/** A sandbox in several networks: names, the default route, what was asked for; and networks that every host has. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Endpoint, Network } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { ping } from '../lab/ping.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'
import { kernelState } from './kernel-state.ts'
import { expectNoLoss } from './no-loss.ts'
import { startedLab } from './started-lab.ts'
import { attachWorkload, createNetwork, untilAllAnswer, type Workload } from './workload.ts'

let lab: Lab
let h1: Host, h2: Host
/** On h2, one in each network. */
let inHidden: Workload, inFront: Workload, inBack: Workload

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  ;[h1, h2] = [lab.host(1), lab.host(2)]
  await createNetwork(lab, 'hidden', '--internal', '--subnet', '10.0.10.0/24', '--subnet', 'fd00:10::/64')
  await createNetwork(lab, 'front', '--subnet', '10.0.11.0/24', '--subnet', 'fd00:11::/64')
  await createNetwork(lab, 'back', '--subnet', '10.0.12.0/24', '--subnet', 'fd00:12::/64')
  ;[inHidden, inFront, inBack] = await Promise.all([
    attachWorkload(lab, h2, 'hidden', 'in-hidden'),
    attachWorkload(lab, h2, 'front', 'in-front'),
    attachWorkload(lab, h2, 'back', 'in-back'),
  ])
})
afterAll(() => lab?.down())

/** The gateway's network and the interface of the route in force, in each family. */
async function defaultRoutes(sandbox: Sandbox): Promise<readonly string[]> {
  const towards = ['192.0.2.99', '2001:db8::99'].map((address) => sandbox.try(['ip', '-j', 'route', 'get', address]))
  return (await Promise.all(towards)).flatMap(({ exitCode, stdout }) => {
    if (exitCode !== 0) return 'none'
    const [route] = JSON.parse(stdout) as { gateway?: string; dev: string }[]
    return `${route?.gateway} ${route?.dev}`
  })
}
const by = (network: 'front' | 'back', device: string) => {
  const n = network === 'front' ? 11 : 12
  return [`10.0.${n}.1 ${device}`, `fd00:${n}::1 ${device}`]
}

const detach = (network: string, sandbox: Sandbox) => h1.overlayctlJson('detach', network, '--netns', sandbox.path)
const reachesAll = (sandbox: Sandbox, ...peers: readonly Workload[]) =>
  Promise.all(peers.flatMap(({ endpoint }) => endpoint.addresses.map((address) => ping(sandbox, address))))

test('interfaces are named in turn; the first network that is not internal has the default route, and hands it over', async () => {
  const sandbox = await lab.sandbox('several')
  const attach = (network: string, ...flags: readonly string[]) => h1.attach(network, sandbox, ...flags)
  expect((await attach('hidden')).ifname).toBe('eth0')
  expect(await defaultRoutes(sandbox)).toEqual(['none', 'none'])
  expect((await attach('front')).ifname).toBe('eth1')
  expect((await attach('back')).ifname).toBe('eth2')
  expect(await defaultRoutes(sandbox)).toEqual(by('front', 'eth1'))
  const all = [inHidden, inFront, inBack]
  await until(async () => (await reachesAll(sandbox, ...all)).every(Boolean), { what: 'all peers to answer' })

  await expectNoLoss([[sandbox, inHidden.address]], async () => {
    await detach('front', sandbox)
    expect(await defaultRoutes(sandbox)).toEqual(by('back', 'eth2'))
    // Attached last now: its old name is free, its old rank is not.
    expect((await attach('front')).ifname).toBe('eth1')
    expect(await defaultRoutes(sandbox)).toEqual(by('back', 'eth2'))
    await detach('front', sandbox)
    // It has the highest priority.
    await attach('front', '--gw-priority', '10')
    expect(await defaultRoutes(sandbox)).toEqual(by('front', 'eth1'))
    await detach('front', sandbox)
    expect(await defaultRoutes(sandbox)).toEqual(by('back', 'eth2'))
    await detach('back', sandbox)
    expect(await defaultRoutes(sandbox)).toEqual(['none', 'none'])
  })
  // The same network again is what is there.
  const again = await h1.overlayctl('attach', 'hidden', '--netns', sandbox.path)
  expect([again.exitCode, again.stderr]).toEqual([0, expect.stringContaining('it was attached already')])
})

test('a low priority yields to one that comes later', async () => {
  const sandbox = await lab.sandbox('yielding')
  await h1.attach('front', sandbox, '--gw-priority', '-1')
  expect(await defaultRoutes(sandbox)).toEqual(by('front', 'eth0'))
  await h1.attach('back', sandbox)
  expect(await defaultRoutes(sandbox)).toEqual(by('back', 'eth1'))
})

test('networks that are attached at once get names of their own', async () => {
  const sandbox = await lab.sandbox('at-once')
  const endpoints = await Promise.all(['hidden', 'front', 'back'].map((network) => h1.attach(network, sandbox)))
  expect(endpoints.map(({ ifname }) => ifname).toSorted()).toEqual(['eth0', 'eth1', 'eth2'])
  await until(async () => (await reachesAll(sandbox, inHidden, inFront, inBack)).every(Boolean), {
    what: 'all peers to answer',
  })
})

test('addresses and MAC are as asked for, across hosts too, and nobody else gets them', async () => {
  const [mac, ip, ip6] = ['02:11:22:33:44:55', '10.0.11.77', 'fd00:11::77']
  const chosen = await attachWorkload(lab, h1, 'front', 'chosen', '--ip', ip, '--ip6', ip6, '--mac', mac)
  expect(chosen.endpoint).toMatchObject({ mac, addresses: [ip, ip6] })
  const [link] = JSON.parse(await chosen.sandbox.exec('ip -j address show dev eth0')) as { address: string }[]
  expect(link?.address).toBe(mac)
  await untilAllAnswer([chosen, inFront])
  expect(await inFront.sandbox.exec(`ip neighbour show ${ip}`)).toContain(mac)
  const other = await lab.sandbox('other')
  for (const [flag, value] of [
    ['--ip', ip],
    ['--ip6', ip6],
    ['--mac', mac],
  ] as const) {
    const { exitCode, stderr } = await h2.overlayctl('attach', 'front', '--netns', other.path, flag, value)
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(value)])
  }
  expect(await other.exec('ip -o link')).not.toContain('eth0')
})

test('run: one command in several networks, in the order given, and nothing left', async () => {
  const show = 'ip -o -4 address show scope global; ip route get 192.0.2.99'
  const networks = ['hidden', 'back,ip=10.0.12.88', 'front'].flatMap((network) => ['--network', network])
  const { exitCode, stdout, stderr } = await h1.overlayctl('run', ...networks, '--', 'sh', '-c', show)
  expect([exitCode, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(
    /^\d+: eth0 +inet 10\.0\.10\.\d+\/24 .*\n\d+: eth1 +inet 10\.0\.12\.88\/24 .*\n\d+: eth2 +inet 10\.0\.11\.\d+\/24 .*\n192\.0\.2\.99 via 10\.0\.12\.1 dev eth1 /,
  )
  const endpoints = await lab.overlayctlJson<Endpoint[]>('endpoint', 'ls', '--network', 'back', '--node', 'h1')
  expect(endpoints.flatMap(({ addresses }) => addresses)).not.toContain('10.0.12.88')
})

test('an eager network is on every host before there is an endpoint, and gone with its record', async () => {
  const before = await Promise.all(lab.hosts.map(kernelState))
  const { vni } = await createNetwork(lab, 'everywhere', '--eager', '--subnet', '10.0.13.0/24', '--wait')
  for (const host of lab.hosts) await host.exec(`ip link show ovbr${vni} && ip link show ovvx${vni}`)
  const far = await attachWorkload(lab, h2, 'everywhere', 'far')
  // Also where nothing is attached the endpoints are known: the first that comes reaches them at once.
  const entries = () => h1.exec(`bridge fdb show dev ovvx${vni}; ip neighbour show dev ovbr${vni}`)
  await until(async () => (await entries()).includes(`${far.address} lladdr ${far.endpoint.mac}`), {
    what: 'h1 to know the endpoint of h2',
  })
  expect(await entries()).toContain(`${far.endpoint.mac} dst ${h2.address} `)

  const whole = await kernelState(h1)
  const near = await attachWorkload(lab, h1, 'everywhere', 'near')
  await untilAllAnswer([near, far])
  await h1.overlayctlJson('detach', near.endpoint.id)
  expect(await kernelState(h1)).toBe(whole)
  // As before: an agent that starts again adopts it, though nothing here is attached.
  await h1.agent.restart()
  expect(await kernelState(h1)).toBe(whole)

  await h2.overlayctlJson('detach', far.endpoint.id)
  await lab.overlayctlJson<Network>('rm', 'everywhere')
  await until(async () => (await Promise.all(lab.hosts.map(kernelState))).join() === before.join(), {
    what: 'both hosts to be as before',
    detail: () => h1.agent.logTail(),
  })
  expect((await h1.agent.status()).state).toBe('READY')
})

test('an eager network that goes while the agent is away is gone when it starts', async () => {
  const before = await kernelState(h1)
  const { vni } = await createNetwork(lab, 'passing', '--eager', '--subnet', '10.0.14.0/24', '--wait')
  await h1.agent.stop()
  await lab.overlayctlJson('rm', 'passing')
  await h1.exec(`ip link show ovbr${vni}`)
  await h1.agent.start()
  expect(await kernelState(h1)).toBe(before)
})
