/** E3: every answer of etcd takes two seconds. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLab, type Lab } from '../../lab/lab.ts'
import { openSlowDoor, type SlowDoor } from '../../lab/slow-door.ts'
import { keysBelow } from '../store-content.ts'
import { attachWorkload, createNetwork, detachWorkload, untilAllAnswer, type Workload } from '../workload.ts'
import { expectIpamClean, nth, shortLease } from './inhabited-lab.ts'
import { expectNoneLost, through } from './through.ts'
import { timed } from './within.ts'

const slowness = 2_000
/** Seconds: several calls one after another, and overlayctl's own time. */
const patience = 10

let lab: Lab
let door: SlowDoor
let workloads: readonly Workload[]

beforeAll(async () => {
  lab = await createLab({ hosts: 2 })
  await lab.etcd.start()
  door = await openSlowDoor(lab.ctl, lab.directory, { url: lab.etcd.url, port: 2389 })
  const flags = ['--etcd', door.url]
  await nth(lab.controllers, 0).start({ flags })
  await Promise.all(lab.hosts.map(({ agent }) => agent.start({ flags: [...flags, ...shortLease] })))
  await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24')
  workloads = await Promise.all(lab.hosts.map((host) => attachWorkload(lab, host, 'web', `on-${host.name}`)))
  await untilAllAnswer(workloads)
})
afterAll(() => lab?.down())

test('E3 each answer of etcd takes 2 s: attach, detach and create are slow, and succeed; no lease is lost', async () => {
  const [a, c] = [nth(workloads, 0), nth(workloads, 1)]
  const h1 = lab.host(1)
  const sessions = await keysBelow(lab.etcd, 'sessions/')
  const passages = await through(lab, 'E3 etcd slow, 2 s for each call', [[a, c]], async () => {
    door.delay(slowness)
    const guest = await timed({ what: 'E3 attach', seconds: patience }, () => attachWorkload(lab, h1, 'web', 'guest'))
    await guest.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', c.address])
    await timed({ what: 'E3 detach', seconds: patience }, () => detachWorkload(guest))
    await timed({ what: 'E3 create', seconds: patience }, () =>
      createNetwork(lab, 'slow', '--subnet', '10.0.10.0/24', '--timeout', '60'),
    )
    const first = await timed({ what: 'E3 first attach of a network', seconds: patience }, () =>
      attachWorkload(lab, h1, 'slow', 'first', '--timeout', '60'),
    )
    await timed({ what: 'E3 detach of it', seconds: patience }, () => detachWorkload(first))
    for (const { agent } of lab.hosts) expect(await agent.status()).toMatchObject({ state: 'READY', reason: '' })
    const now = await keysBelow(lab.etcd, 'sessions/')
    expect(now.map(({ createRevision }) => createRevision)).toEqual(
      sessions.map(({ createRevision }) => createRevision),
    )
    door.delay(0)
    const quick = await timed({ what: 'E3 attach when etcd is quick again', seconds: 3 }, () =>
      attachWorkload(lab, h1, 'web', 'quick'),
    )
    await detachWorkload(quick)
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
})
