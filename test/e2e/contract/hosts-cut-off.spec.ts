/** H1 and H9: hosts that are cut off, from the store and the controllers or from each other. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type JsonObject, Node } from '../../../proto/index.ts'
import { between, type Cuts, createCuts } from '../../lab/cuts.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { kernelState } from '../kernel-state.ts'
import { keysBelow } from '../store-content.ts'
import { attachWorkload, detachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, expectServes, inhabitedLab, mend, nth, owned } from './inhabited-lab.ts'
import { expectLostAtMost, expectNoneLost, ofPair, type Pair, through } from './through.ts'
import { within } from './within.ts'

let lab: Lab
let cuts: Cuts
let h1: Host
let workloads: readonly Workload[]
/** Each pair of hosts. */
let pairs: readonly [Pair, Pair, Pair]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 3 })
  lab = inhabited.lab
  workloads = inhabited.workloads
  cuts = createCuts(lab)
  h1 = lab.host(1)
  const [one, two, three] = [nth(workloads, 0), nth(workloads, 1), nth(workloads, 2)]
  pairs = [
    [one, two],
    [two, three],
    [one, three],
  ]
})
afterEach(async () => {
  await cuts.heal()
  await mend(lab)
})
afterAll(() => lab?.down())

const nodeOf = async ({ name }: Host) => Node.fromJson(await lab.overlayctlJson<JsonObject>('node', 'inspect', name))
const kernels = () => Promise.all(lab.hosts.map(kernelState))
/** Where etcd and the controller are. */
const centre = () => nth(lab.controllers, 0).address.split(':')[0] ?? ''

test('H1 a host is cut off from etcd and controllers for longer than its lease: all traffic goes on, nothing of it is removed', async () => {
  const before = { owned: await owned(lab), kernels: await kernels() }
  const passages = await through(lab, 'H1 host cut off from etcd and controllers', pairs, async () => {
    const heal = await cuts.cut(between([h1.address], [centre()]))
    await until(async () => (await nodeOf(h1)).status?.state === 'UNREACHABLE', {
      what: 'h1 to be unreachable',
      deadline: 30_000,
      every: 200,
    })
    const { stdout, exitCode } = await lab.overlayctl('status')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/h1.*unreachable/i)
    expect(stdout).toContain('overlayctl node rm h1')
    const refused = await h1.overlayctl('attach', 'web', '--netns', nth(workloads, 0).sandbox.path, '--ifname', 'eth9')
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toMatch(/^overlayctl: (the store |no etcd answers at http:)/)
    await until(async () => (await h1.agent.status()).state === 'DISCONNECTED', {
      what: 'h1 to know that it is cut off',
      deadline: 30_000,
      every: 200,
    })
    // What the others do meanwhile, it makes up for.
    const guest = await attachWorkload(lab, lab.host(2), 'web', 'meanwhile')
    expect(await owned(lab)).toEqual(expect.arrayContaining(before.owned))
    await heal()
    await within({ what: 'H1 h1 is READY', seconds: 5 }, async () => {
      expect((await nodeOf(h1)).status?.state).toBe('READY')
      expect(await h1.agent.status()).toMatchObject({ state: 'READY', remoteEndpointCount: 3 })
    })
    await detachWorkload(guest)
    await expectServes(lab, h1, nth(workloads, 2))
  })
  expectNoneLost(passages)
  expect(await owned(lab)).toEqual(before.owned)
  await until(async () => (await kernels()).join() === before.kernels.join(), { what: 'the kernels to be as before' })
  await expectIpamClean(lab)
})

test('H9 the underlay between two hosts is cut: only their own traffic stops, and is back at once', async () => {
  const [pair, ...others] = pairs
  const before = { owned: await owned(lab), kernels: await kernels() }
  let cutFor = 0
  const passages = await through(lab, 'H9 two hosts cut off from each other', pairs, async () => {
    const sessions = await keysBelow(lab.etcd, 'sessions/')
    const cutAt = performance.now()
    const heal = await cuts.cut(between([h1.address], [lab.host(2).address]))
    await expectServes(lab, h1, nth(workloads, 2))
    await expectServes(lab, lab.host(2), nth(workloads, 2))
    // Longer than the neighbours' kernels believe each other without an answer.
    await until(() => performance.now() - cutAt > 3_000, { what: 'the cut', every: 100 })
    expect(await keysBelow(lab.etcd, 'sessions/')).toEqual(sessions)
    await heal()
    cutFor = (performance.now() - cutAt) / 1_000
    const [from, to] = pair
    await within({ what: 'H9 the two reach each other', seconds: 1 }, () =>
      from.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '1', to.address]),
    )
    await expectServes(lab, h1, nth(workloads, 1))
  })
  expectNoneLost(others.flatMap((other) => ofPair(passages, other)))
  expectLostAtMost(ofPair(passages, pair), cutFor + 0.5)
  expect(await owned(lab)).toEqual(before.owned)
  expect(await kernels()).toEqual(before.kernels)
})
