/** E8: etcd is full. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { keysBelow } from '../store-content.ts'
import { attachWorkload, detachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, inhabitedLab, nth } from './inhabited-lab.ts'
import { expectNoneLost, through } from './through.ts'
import { within } from './within.ts'

const told = /etcd is full .*alarm NOSPACE.*etcdctl compact.*etcdctl alarm disarm/
/** Bytes. */
const quota = 16 * 1024 * 1024

let lab: Lab
let workloads: readonly Workload[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  workloads = inhabited.workloads
  await lab.etcd.stop()
  await lab.etcd.start({ flags: [`--quota-backend-bytes=${quota}`] })
  for (const { agent } of lab.hosts) await agent.ready()
})
afterAll(() => lab?.down())

/** Until etcd raises its alarm. */
async function fill(): Promise<void> {
  await lab.ctl.exec(
    `head -c 1000000 /dev/zero | tr '\\0' x > ${lab.directory}/filler
     n=0; while ETCDCTL_API=3 etcdctl --endpoints=${lab.etcd.url} put filler-$n < ${lab.directory}/filler; do
       n=$((n + 1)); [ $n -lt 40 ] || exit 1
     done`,
  )
  expect(await lab.etcd.etcdctl('alarm', 'list')).toContain('NOSPACE')
}

async function makeRoom(): Promise<void> {
  await lab.etcd.etcdctl('del', '--prefix', 'filler-')
  const status = JSON.parse(await lab.etcd.etcdctl('endpoint', 'status', '-w', 'json')) as {
    readonly Status: { readonly header: { readonly revision: number } }
  }[]
  await lab.etcd.etcdctl('compact', '--physical', String(nth(status, 0).Status.header.revision))
  await lab.etcd.etcdctl('defrag')
  await lab.etcd.etcdctl('alarm', 'disarm')
}

test('E8 etcd is full: attach and create are refused and say what to do, a detach is made up for', async () => {
  const [a, c] = [nth(workloads, 0), nth(workloads, 1)]
  const [h1, h2] = [lab.host(1), lab.host(2)]
  const going = await attachWorkload(lab, h1, 'web', 'going')
  const inGuest = await lab.sandbox('guest')
  const passages = await through(lab, 'E8 etcd full', [[a, c]], async () => {
    await fill()
    const attaching = () => h1.overlayctl('attach', 'web', '--netns', inGuest.path)
    for (let time = 0; time < 2; time++)
      expect(await attaching()).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(told) })
    expect(await lab.overlayctl('create', 'refused')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(told),
    })
    const detached = await h1.overlayctl('detach', going.endpoint.id)
    expect(detached).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/warning: .*released/) })
    expect(await h1.exec('ip -o link')).not.toContain(going.endpoint.id)
    const status = await lab.overlayctl('status')
    expect(status.stdout + status.stderr).toMatch(told)
    expect(await h1.agent.status()).toMatchObject({ state: 'DISCONNECTED', reason: expect.stringMatching(told) })
    // One that starts now gets no session: it says why, and leaves all as it is.
    await h2.agent.kill()
    await h2.agent.start({ deadline: 0 })
    await until(async () => told.test((await h2.agent.status()).reason), {
      what: 'the agent of h2 to say what it waits for',
    })

    await makeRoom()
    const since = performance.now()
    await within({ what: 'E8 attach', seconds: 5, since }, async () =>
      expect(await attaching()).toMatchObject({ exitCode: 0 }),
    )
    await within({ what: 'E8 the release', seconds: 5, since }, async () => {
      expect(await keysBelow(lab.etcd, `endpoints/web/${going.endpoint.id}`)).toEqual([])
    })
    await within({ what: 'E8 the agent that was started meanwhile is READY', seconds: 5, since }, async () => {
      expect(await h2.agent.status()).toMatchObject({ state: 'READY' })
    })
    await inGuest.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', c.address])
    await h1.overlayctl('detach', 'web', '--netns', inGuest.path)
  })
  expectNoneLost(passages)
  const sessions = await keysBelow(lab.etcd, 'sessions/')
  expect(sessions.map(({ path }) => path)).toEqual(['sessions/h1', 'sessions/h2'])
  await expectIpamClean(lab)
})

test('E8 a network is made and attached to after that', async () => {
  await lab.overlayctlJson('create', 'after', '--subnet', '10.0.11.0/24')
  const first = await attachWorkload(lab, lab.host(1), 'after', 'first')
  await detachWorkload(first)
})
