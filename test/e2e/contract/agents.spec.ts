/** P1 and P6: agents that are stopped, killed, replaced by a newer copy, frozen; what they find is adopted. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { NodeStatus } from '../../../proto/index.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { accepted, attachAll, detachAll } from '../attach-calls.ts'
import { kernelState } from '../kernel-state.ts'
import { keysBelow } from '../store-content.ts'
import { expectTraces } from '../traces.ts'
import { attachWorkload, detachWorkload, ipv6Of, type Workload } from '../workload.ts'
import { copyOfPrograms } from './copy-of-programs.ts'
import { expectServes, inhabitedLab, mend, nth, owned, shortLease } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'
import { timed, within } from './within.ts'

let lab: Lab
let h1: Host
let h2: Host
/** a and b on h1, c on h2. */
let a: Workload
let b: Workload
let c: Workload
let pairs: readonly Pair[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2, network: ['--subnet', 'fd00:9::/64'] })
  lab = inhabited.lab
  h1 = lab.host(1)
  h2 = lab.host(2)
  a = nth(inhabited.workloads, 0)
  c = nth(inhabited.workloads, 1)
  b = await attachWorkload(lab, h1, 'web', 'on-h1-too')
  // Between the hosts, in both families, and within one.
  pairs = [
    [a, c],
    [
      { sandbox: a.sandbox, address: ipv6Of(a) },
      { sandbox: c.sandbox, address: ipv6Of(c) },
    ],
    [a, b],
  ]
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

const start = (line: string, host: Host) =>
  timed({ what: `${line}: ${host.name} is ready`, seconds: 3 }, () => host.agent.start())

/** Attach and detach are refused at once, naming the socket. */
async function expectRefused(host: Host, { sandbox, endpoint }: Workload): Promise<void> {
  for (const call of [
    ['attach', 'web', '--netns', sandbox.path, '--ifname', 'eth9'],
    ['detach', endpoint.id],
  ]) {
    const { exitCode, stderr } = await host.overlayctl(...call)
    expect(exitCode).toBe(1)
    expect(stderr).toContain(host.agent.socket)
  }
}

test.each([
  ['SIGKILL', 'kill'],
  ['SIGTERM', 'stop'],
] as const)('P1 agents are ended by %s and started: nothing is lost, nothing is rebuilt', async (signal, how) => {
  const before = [await kernelState(h1), await kernelState(h2), await owned(lab)]
  const passages = await through(lab, `P1 agents ended by ${signal}`, pairs, async () => {
    for (const host of [h1, h2]) {
      await host.agent[how]()
      await expectRefused(host, host === h1 ? a : c)
      await start('P1', host)
    }
    await expectServes(lab, h1, c)
    await expectServes(lab, h2, a)
  })
  expectNoneLost(passages)
  expect([await kernelState(h1), await kernelState(h2), await owned(lab)]).toEqual(before)
})

test('P1 an agent is stopped while attaches are under way: each is answered, or leaves nothing', async () => {
  const sandboxes = await lab.sandboxes(Array.from({ length: 10 }, (_, index) => `flight-${index}`))
  const all = sandboxes.map((sandbox) => ({ sandbox, host: h1 }))
  const passages = await through(lab, 'P1 agent stopped with attaches under way', pairs, async () => {
    let stopping: Promise<unknown> | undefined
    const attempts = await attachAll('web', all, () => void (stopping ??= h1.agent.stop()))
    await stopping
    await start('P1', h1)
    const done = accepted(attempts)
    console.log(`P1 ${done.length} of ${all.length} attached before the agent stopped`)
    const endpoints = done.map(({ endpoint }) => endpoint)
    await expectTraces(lab, 'web', [a.endpoint, b.endpoint, c.endpoint, ...endpoints])
    await detachAll(done)
  })
  expectNoneLost(passages)
  await Promise.all(sandboxes.map((sandbox) => sandbox.delete()))
})

test('P1 each program in turn is replaced by another copy of it: nothing is lost', async () => {
  const { command, version } = await copyOfPrograms(lab)
  const controller = nth(lab.controllers, 0)
  const passages = await through(lab, 'P1 upgrade of controller and agents', pairs, async () => {
    for (const daemon of [controller, h1.agent, h2.agent]) {
      await daemon.stop()
      await daemon.start({ flags: daemon === controller ? [] : shortLease, command })
    }
    await expectServes(lab, h1, c)
    await expectServes(lab, h2, a)
  })
  expectNoneLost(passages)
  const versions = (await keysBelow(lab.etcd, 'nodes/')).map(({ value }) => value['version'])
  expect(versions).toEqual([version, version])
})

test('P1 what changed elsewhere while an agent was away is right after its start', async () => {
  const going = await attachWorkload(lab, h2, 'web', 'going')
  await until(async () => (await kernelState(h1)).includes(going.endpoint.mac), { what: 'h1 to know the endpoint' })
  const passages = await through(lab, 'P1 endpoints of others changed while an agent was away', pairs, async () => {
    await h1.agent.kill()
    await detachWorkload(going)
    const coming = await attachWorkload(lab, h2, 'web', 'coming')
    await start('P1', h1)
    await until(async () => !(await kernelState(h1)).includes(going.endpoint.mac), { what: 'h1 to forget it' })
    const state = await kernelState(h1)
    for (const entry of [
      `${coming.endpoint.mac} dev ovvx\\d+ dst ${h2.address} self static`,
      `${coming.endpoint.mac} dev ovvx\\d+ master ovbr\\d+ static`,
      `${coming.address} dev ovbr\\d+ lladdr ${coming.endpoint.mac} PERMANENT`,
      `${ipv6Of(coming)} dev ovbr\\d+ lladdr ${coming.endpoint.mac} PERMANENT`,
    ])
      expect(state).toMatch(new RegExp(entry))
    expect(state).not.toContain(`${going.address} `)
    await a.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', coming.address])
    await detachWorkload(coming)
    await until(async () => !(await kernelState(h1)).includes(coming.endpoint.mac), { what: 'h1 to forget it, too' })
  })
  expectNoneLost(passages)
})

test('P1 what was removed while an agent was away is there again; what is not ours is untouched', async () => {
  const before = await kernelState(h1)
  const bridge = /ovbr\d+/.exec(before)?.[0] ?? ''
  const vxlan = bridge.replace('ovbr', 'ovvx')
  // The entries of b and the gateway: traffic between a and c does not need them.
  await h1.agent.kill()
  await h1.exec(
    [
      `bridge fdb del ${b.endpoint.mac} dev ove${b.endpoint.id.slice(0, 12)} master`,
      `ip address del 10.0.9.1/24 dev ${bridge}`,
      'nft delete table inet overlay',
    ].join(' && '),
  )
  await h2.agent.kill()
  await h2.exec(
    [
      `bridge fdb del ${b.endpoint.mac} dev ${vxlan} master`,
      `bridge fdb del ${b.endpoint.mac} dev ${vxlan} dst ${h1.address} self`,
      `ip neighbour del ${b.address} dev ${bridge}`,
      `ip neighbour del ${ipv6Of(b)} dev ${bridge}`,
    ].join(' && '),
  )
  expect(await kernelState(h1)).not.toBe(before)
  await h1.exec(
    [
      'ip link add ovbrfoo type bridge',
      'ip link set ovbrfoo up',
      'ip link add ovbr4711 type bridge',
      'ip link set ovbr4711 alias overlay/0123456789abcdef0123456789abcdef/web',
      'ip link add ove-other type veth peer name ove-peer',
      'ip link set ove-other alias "made by hand"',
    ].join(' && '),
  )
  const foreign = () => h1.exec('for link in ovbrfoo ovbr4711 ove-other ove-peer; do ip -o link show $link; done')
  const theirs = await foreign()
  const passages = await through(lab, 'P1 agents started where something was removed', [[a, c]], async () => {
    await Promise.all([start('P1', h1), start('P1', h2)])
    await expectServes(lab, h1, c)
    await expectServes(lab, h2, b)
  })
  expectNoneLost(passages)
  expect(await foreign()).toBe(theirs)
  await h1.exec('ip link del ovbrfoo && ip link del ovbr4711 && ip link del ove-other')
  expect(await kernelState(h1)).toBe(before)
})

test('P6 an agent is frozen past its lease, and goes on: its node is unreachable meanwhile, no address is lost', async () => {
  const before = [await kernelState(h1), await kernelState(h2), await owned(lab)]
  const stateOf = async (node: string) =>
    NodeStatus.fromJson((await lab.overlayctlJson<{ status: object }>('node', 'inspect', node)).status as never).state
  const passages = await through(lab, 'P6 agent frozen past its lease', pairs, async () => {
    await h1.agent.freeze()
    await until(async () => !(await keysBelow(lab.etcd, 'sessions/')).some(({ path }) => path.endsWith('/h1')), {
      what: 'the lease to run out',
      deadline: 30_000,
      every: 200,
    })
    expect(await stateOf('h1')).toBe('UNREACHABLE')
    const { exitCode, stdout } = await h1.overlayctl('--timeout', '1', 'status')
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^Agent: .*FAILED: does not answer/m)
    await h1.agent.thaw()
    await within({ what: 'P6 h1 is ready', seconds: 5 }, async () => {
      await h1.agent.ready()
      expect(await stateOf('h1')).toBe('READY')
    })
    await expectServes(lab, h1, c)
  })
  expectNoneLost(passages)
  expect([await kernelState(h1), await kernelState(h2), await owned(lab)]).toEqual(before)
})
