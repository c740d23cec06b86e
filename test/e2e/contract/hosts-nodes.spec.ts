/** H5 and H8: nodes that are drained, and hosts that come as somebody else. */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type JsonObject, Node } from '../../../proto/index.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { kernelState } from '../kernel-state.ts'
import { keysBelow, storedKey } from '../store-content.ts'
import { attachWorkload, untilAllAnswer, type Workload } from '../workload.ts'
import { expectIpamClean, expectServes, inhabitedLab, mend, nth, owned, shortLease } from './inhabited-lab.ts'
import { expectNoneLost, through } from './through.ts'

let lab: Lab
let h1: Host
let h3: Host
/** On h1 and on h2: the others. */
let a: Workload
/** On h3, from test to test. */
let c: Workload
let others: readonly [Workload, Workload]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 3 })
  lab = inhabited.lab
  h1 = lab.host(1)
  h3 = lab.host(3)
  a = nth(inhabited.workloads, 0)
  c = nth(inhabited.workloads, 2)
  others = [a, nth(inhabited.workloads, 1)]
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

const endpointsOn = async (node: string) =>
  (await keysBelow(lab.etcd, 'endpoints/')).filter(({ value }) => value['node'] === node)

test('H5 a node is drained: what is there is detached, new attaches are refused with the reason, until it is undrained', async () => {
  const reason = 'a new power supply'
  const node = await storedKey(lab.etcd, 'nodes/h3')
  const sandbox = await lab.sandbox('late')
  const passages = await through(lab, 'H5 node drained', [others], async () => {
    expect(await lab.overlayctl('node', 'drain', 'h3', '--reason', reason)).toMatchObject({ exitCode: 0 })
    expect(await endpointsOn('h3')).toEqual([])
    expect(await h3.exec('ip -o link')).not.toContain(': ove')
    const { status } = Node.fromJson(await lab.overlayctlJson<JsonObject>('node', 'inspect', 'h3'))
    expect(status).toMatchObject({ state: 'READY', drain: { reason } })
    for (const refused of [
      await h3.overlayctl('attach', 'web', '--netns', sandbox.path),
      await lab.overlayctl('attach', 'web', '--netns', sandbox.path, '--node', 'h3'),
    ]) {
      expect(refused.exitCode).toBe(1)
      expect(refused.stderr).toContain(reason)
      expect(refused.stderr).toContain('node undrain h3')
    }
    // Its agent forgets it no more than the cluster does.
    await h3.agent.stop()
    await h3.agent.start()
    expect(await h3.overlayctl('attach', 'web', '--netns', sandbox.path)).toMatchObject({ exitCode: 1 })
    expect(await endpointsOn('h3')).toEqual([])

    expect(await lab.overlayctl('node', 'undrain', 'h3')).toMatchObject({ exitCode: 0 })
    c = await attachWorkload(lab, h3, 'web', 'on-h3-again')
    await untilAllAnswer([...others, c])
  })
  expectNoneLost(passages)
  expect((await storedKey(lab.etcd, 'nodes/h3')).createRevision).toBe(node.createRevision)
  await expectIpamClean(lab)
})

/** h3 comes as somebody else: its agent ends, or waits, and says why; as itself it is ready again. */
async function expectRefused(flags: readonly string[], why: RegExp): Promise<void> {
  await h3.agent.stop()
  await h3.agent.start({ flags: [...shortLease, ...flags], deadline: 0 })
  await until(() => why.test(h3.agent.logTail(10)), {
    what: `the agent of h3 to be refused with ${flags.join(' ')}`,
    detail: () => h3.agent.logTail(10),
  })
  if (h3.agent.running) await h3.agent.kill()
  await h3.agent.start({ flags: shortLease })
}

test('H8 a host comes with the name of another: refused, naming the other, whether it runs or not', async () => {
  const before = [await owned(lab), await Promise.all(lab.hosts.map(kernelState))]
  // A new host: an address and a state directory of its own.
  const address = '192.168.200.103'
  await h3.exec(`ip address add ${address}/24 dev ${h3.underlay}`)
  const asH1 = ['--node', 'h1', '--vtep-address', address, '--state-dir', join(h3.home, 'new-state')]
  const passages = await through(lab, 'H8 host with the name of another', [others, [a, c]], async () => {
    await expectRefused(asH1, /"h1" .*\(VTEP 192\.168\.200\.1\).*give this one another --node/)
    await h1.agent.stop()
    await until(async () => !(await keysBelow(lab.etcd, 'sessions/')).some(({ path }) => path.endsWith('/h1')), {
      what: 'the session of h1 to end',
      deadline: 30_000,
    })
    await expectRefused(asH1, /"h1" .*\(VTEP 192\.168\.200\.1\).*overlayctl node rm h1/)
    await h1.agent.start()
    await expectServes(lab, h3, a)
  })
  await h3.exec(`ip address del ${address}/24 dev ${h3.underlay}`)
  expectNoneLost(passages)
  expect([await owned(lab), await Promise.all(lab.hosts.map(kernelState))]).toEqual(before)
})

test('H8 a host comes with the VTEP address of another: refused, naming the other and the flag', async () => {
  const before = await owned(lab)
  // As with machines that all have one address on an interface of their own, behind NAT; it answers for it only there.
  await h3.exec(
    `for at in all ${h3.underlay}; do echo 1 > /proc/sys/net/ipv4/conf/$at/arp_ignore; done
    ip link add nat0 type bridge && ip address add ${h1.address}/32 dev nat0 && ip link set nat0 up`,
  )
  const passages = await through(lab, 'H8 host with the VTEP address of another', [others], async () => {
    await expectRefused(
      ['--vtep-address', h1.address],
      new RegExp(`VTEP address ${h1.address} is already that of node h1: give --vtep-address or --vtep-interface`),
    )
    await h3.exec('ip link del nat0')
    await expectServes(lab, h3, a)
  })
  expectNoneLost(passages)
  expect(await owned(lab)).toEqual(before)
})
