/** E6: etcd is compacted and defragmented while an agent does not follow it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { kernelState } from '../kernel-state.ts'
import { storedKey } from '../store-content.ts'
import { attachWorkload, detachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, inhabitedLab, nth } from './inhabited-lab.ts'
import { expectNoneLost, through } from './through.ts'
import { within } from './within.ts'

let lab: Lab
let workloads: readonly Workload[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  workloads = inhabited.workloads
})
afterAll(() => lab?.down())

test('E6 compacted and defragmented while an agent was away: it reads anew what it missed, deletes too', async () => {
  const [a, c] = [nth(workloads, 0), nth(workloads, 1)]
  const [h1, h2] = [lab.host(1), lab.host(2)]
  const going = await attachWorkload(lab, h1, 'web', 'going')
  await until(async () => (await kernelState(h2)).includes(going.endpoint.mac), { what: 'h2 to know the endpoint' })
  const passages = await through(lab, 'E6 etcd compacted while an agent was away', [[a, c]], async () => {
    await h2.agent.freeze()
    await detachWorkload(going)
    const coming = await attachWorkload(lab, h1, 'web', 'coming')
    // What its connection still carries would tell it: etcd drops its clients, and starts anew.
    await lab.etcd.restart()
    await lab.etcd.etcdctl('put', 'later', 'x')
    const { modRevision } = await storedKey(lab.etcd, `endpoints/web/${coming.endpoint.id}`)
    await lab.etcd.etcdctl('compact', '--physical', String(modRevision))
    await lab.etcd.etcdctl('defrag')
    await h2.agent.thaw()
    await within({ what: 'E6 h2 knows what it missed', seconds: 3 }, async () => {
      const state = await kernelState(h2)
      expect(state).toContain(coming.endpoint.mac)
      expect(state).not.toContain(going.endpoint.mac)
    })
    await coming.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', c.address])
    expect(await h2.agent.status()).toMatchObject({ state: 'READY', reason: '' })
    await detachWorkload(coming)
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
})
