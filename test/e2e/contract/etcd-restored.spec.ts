/** E7: etcd is restored from an older snapshot. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type JsonObject, ResyncResponse } from '../../../proto/index.ts'
import type { Lab } from '../../lab/lab.ts'
import { expectHolding } from '../holding.ts'
import { kernelState } from '../kernel-state.ts'
import { replaceContent, snapshot } from '../replaced-store.ts'
import { keysBelow } from '../store-content.ts'
import { attachWorkload, createNetwork, detachWorkload, untilAllAnswer, type Workload } from '../workload.ts'
import { expectIpamClean, inhabitedLab, nth } from './inhabited-lab.ts'
import { expectNoneLost, through } from './through.ts'
import { within } from './within.ts'

const holds = /restored from an older state.*overlayctl node resync/

let lab: Lab
let workloads: readonly Workload[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  workloads = inhabited.workloads
})
afterAll(() => lab?.down())

async function resync(on: Lab | Lab['hosts'][number], ...flags: readonly string[]): Promise<readonly ResyncResponse[]> {
  const { stdout, stderr, exitCode } = await on.overlayctl('-o', 'json', 'node', 'resync', ...flags)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  return (JSON.parse(stdout) as JsonObject[]).map((answer) => ResyncResponse.fromJson(answer))
}

/** Of each host. */
async function kernelLines(): Promise<readonly string[][]> {
  const states = await Promise.all(lab.hosts.map(kernelState))
  return states.map((state) => state.split('\n'))
}

const idsOf = (endpoints: readonly { readonly id: string }[]) => endpoints.map(({ id }) => id).toSorted()
const recordOf = async ({ endpoint }: Workload) =>
  (await keysBelow(lab.etcd, `endpoints/web/${endpoint.id}`)).map(({ value }) => value)

test('E7 restored from a snapshot: all agents hold; resynced, each writes back what lives on its host', async () => {
  const [a, c] = [nth(workloads, 0), nth(workloads, 1)]
  const [h1, h2] = [lab.host(1), lab.host(2)]
  const past = await attachWorkload(lab, h1, 'web', 'past')
  const old = await snapshot(lab, lab.etcd, 'old')
  const young = [await attachWorkload(lab, h1, 'web', 'young-1'), await attachWorkload(lab, h2, 'web', 'young-2')]
  await detachWorkload(past)
  // More than what all write when the store returns, and seen by all: so they know that it went back.
  for (let turn = 0; turn < 10; turn++) await detachWorkload(await attachWorkload(lab, h2, 'web', `passing-${turn}`))
  await createNetwork(lab, 'later', '--subnet', '10.0.10.0/24')
  const stray = await attachWorkload(lab, h2, 'later', 'stray')
  const [young1, young2] = [nth(young, 0), nth(young, 1)]
  await untilAllAnswer([a, c, ...young])
  const before = await Promise.all(young.map(recordOf))
  const pairs = [
    [a, c],
    [young1, young2],
  ] as const
  const passages = await through(lab, 'E7 restored from a snapshot', pairs, async () => {
    const kernels = await kernelLines()
    await replaceContent(lab.etcd, old)
    for (const host of lab.hosts) await expectHolding(lab, host, holds)
    // Also one that is started anew.
    await h1.agent.kill()
    await h1.agent.start({ deadline: 0 })
    await expectHolding(lab, h1, holds)
    // What the old store has besides is added at most.
    expect(await kernelLines()).toEqual(kernels.map((lines) => expect.arrayContaining(lines)))
    expect(await Promise.all(young.map(recordOf))).toEqual([[], []])

    // One by its socket, the other through the controller.
    const [first] = await resync(h1)
    expect(first).toMatchObject({ node: 'h1', left: [] })
    expect(idsOf(first?.restored ?? [])).toEqual([young1.endpoint.id])
    await within({ what: 'E7 h1 is READY again', seconds: 5 }, () => h1.agent.ready())
    const guest = await attachWorkload(lab, h1, 'web', 'guest')
    expect([a, c, ...young].map(({ address }) => address)).not.toContain(guest.address)
    await detachWorkload(guest)

    const left = await lab.overlayctl('node', 'resync', 'h2')
    expect(left).toMatchObject({ exitCode: 1, stdout: expect.stringContaining(young2.endpoint.id) })
    expect(left.stderr).toMatch(
      new RegExp(`left as it is: endpoint ${stray.endpoint.id} of network later .*not in the store.*--discard`),
    )
    await expectHolding(lab, h2, new RegExp(`endpoint ${stray.endpoint.id} |network later `))
    const [last] = await resync(lab, '--discard', 'h2')
    expect(idsOf(last?.discarded ?? [])).toEqual([stray.endpoint.id])
    await within({ what: 'E7 h2 is READY again', seconds: 5 }, () => h2.agent.ready())
    expect(await Promise.all(young.map(recordOf))).toEqual(before)
    await within({ what: 'E7 no node is waited for any more', seconds: 5 }, async () => {
      const all = await Promise.all(lab.hosts.map(({ agent }) => agent.status()))
      expect(all.map(({ problems }) => problems)).toEqual([[], []])
    })
    // What was detached since is attached again, as the store says.
    await untilAllAnswer([a, c, ...young, past])
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
  const verified = await lab.overlayctl('verify')
  expect(verified).toMatchObject({ exitCode: 0, stderr: '' })
  for (const workload of [past, ...young]) await detachWorkload(workload)
})
