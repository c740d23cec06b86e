/** E9: etcd is another cluster's, or empty. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/lab.ts'
import { attach, detachAll } from '../attach-calls.ts'
import { expectHolding } from '../holding.ts'
import { kernelState } from '../kernel-state.ts'
import { replaceContent, snapshot, snapshotOfAnother } from '../replaced-store.ts'
import { keysBelow } from '../store-content.ts'
import { expectTraces } from '../traces.ts'
import { attachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, inhabitedLab, mend, nth } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'
import { within } from './within.ts'

let lab: Lab
let workloads: readonly Workload[]
let pairs: readonly Pair[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  workloads = inhabited.workloads
  pairs = [[nth(workloads, 0), nth(workloads, 1)]]
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

const kernels = () => Promise.all(lab.hosts.map(kernelState))

test('E9 an agent is started with an empty etcd, or another prefix: it holds, and with the right one it is ready', async () => {
  const h1 = lab.host(1)
  const empty = lab.addEtcd({ name: 'empty', port: 2479 })
  await empty.start()
  const before = await kernels()
  const passages = await through(lab, 'E9 an agent started with an empty etcd', pairs, async () => {
    for (const flags of [
      ['--etcd', empty.url],
      ['--prefix', '/elsewhere/'],
    ]) {
      await h1.agent.kill()
      await h1.agent.start({ flags, deadline: 0 })
      await expectHolding(lab, h1, /holds no cluster.*check --etcd and --prefix/)
    }
    await h1.agent.kill()
    await h1.agent.start({})
    expect(await h1.agent.status()).toMatchObject({ state: 'READY', localEndpointCount: 1, remoteEndpointCount: 1 })
    expect(await kernels()).toEqual(before)
  })
  expectNoneLost(passages)
  await empty.kill()
})

test('E9 the store is replaced under running agents, by an empty one and by another: they hold until it is back', async () => {
  const h1 = lab.host(1)
  const going = await attachWorkload(lab, h1, 'web', 'going')
  const right = await snapshot(lab, lab.etcd, 'right')
  const strange = await snapshotOfAnother(lab)
  const passages = await through(lab, "E9 etcd empty, and another cluster's", pairs, async () => {
    const before = await kernels()
    await replaceContent(lab.etcd)
    for (const host of lab.hosts) await expectHolding(lab, host, /holds no cluster/)
    await replaceContent(lab.etcd, strange)
    for (const host of lab.hosts) await expectHolding(lab, host, /is that of cluster strange/)
    const refused = await h1.overlayctl('node', 'resync')
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no older state of this node') })
    // Neither of them is told that these hosts were there.
    expect((await keysBelow(lab.etcd)).map(({ path }) => path)).not.toContain('nodes/h1')
    expect(await kernels()).toEqual(before)

    const detached = await h1.overlayctl('detach', going.endpoint.id)
    expect(detached).toMatchObject({ exitCode: 0 })
    expect(detached.stderr).toContain('only released when the store is in order')
    expect(await going.sandbox.exec('ip -o link')).not.toContain('eth0')
    await replaceContent(lab.etcd, right)
    for (const { agent, name } of lab.hosts)
      await within({ what: `E9 ${name} is READY again`, seconds: 5 }, () => agent.ready())
    await expectTraces(
      lab,
      'web',
      workloads.map(({ endpoint }) => endpoint),
    )
    const endpoint = await attach('web', { host: h1, sandbox: going.sandbox })
    await detachAll([{ host: h1, endpoint }])
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
})
