/** Hosts that go: removed by others, of their own accord, and purged; and a cluster that comes back from a backup. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../lab/until.ts'
import { createToken, joinCluster, makeCluster, untilNodesLive } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts, tell, timed } from './started-hosts.ts'
import { expectNoLoss } from './steady.ts'
import { traces } from './traces.ts'
import { attachWorkload, untilTheyTalk, type Workload } from './workload.ts'

let lab: NspawnLab
let n1: NspawnHost, n2: NspawnHost, n3: NspawnHost
/** On n1, n2. */
let a: Workload, b: Workload

beforeAll(async () => {
  lab = await startedHosts({ hosts: 3 })
  ;[n1, n2, n3] = [lab.host(1), lab.host(2), lab.host(3)]
  await makeCluster(lab.hosts)
  await n1.exec('overlayctl create --subnet 10.0.9.0/24 web')
  a = await attachWorkload(n1, 'web', 'a')
  b = await attachWorkload(n2, 'web', 'b')
  await untilTheyTalk(a, b)
})
afterAll(() => lab?.down())

test('node rm: the certificate of the removed host is worth nothing from that moment', async () => {
  showHostsOnFailure(lab)
  const stolen =
    'overlayctl --tls-cert /root/stolen/tls.crt --tls-key /root/stolen/tls.key --tls-ca /root/stolen/ca.crt'
  await n3.exec('cp -r /var/lib/overlay/agent/tls /root/stolen')
  expect(await n3.exec(`${stolen} --controller n1:4780 ls -o name`)).toBe('web')
  const stream = await n3.spawn('stolen', `exec ${stolen} --controller n1:4780 events`)
  await n1.exec('overlayctl node rm --force n3')
  const begun = performance.now()
  const { exitCode, stderr } = await n3.try(`${stolen} --controller n1:4780 ls`)
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/revoked|removed|no longer|not.*valid/i)
  const files = '--cacert /root/stolen/ca.crt --cert /root/stolen/tls.crt --key /root/stolen/tls.key'
  const etcdctl = `ETCDCTL_API=3 /usr/lib/overlay/bin/etcdctl --endpoints https://n1:2379 ${files}`
  expect((await n3.try(`${etcdctl} get --prefix /overlay/v1/nodes/`)).exitCode).not.toBe(0)
  await until(() => stream.exit, {
    what: 'the stream that was open to end',
    deadline: 5_000,
    detail: () => stream.logTail(),
  })
  tell('node rm: until the open stream had ended', performance.now() - begun)
  await untilNodesLive(n1, [n1, n2])
})

test('the removed host leaves, and joins again', async () => {
  showHostsOnFailure(lab)
  await n3.exec('overlayctl cluster leave --force', { timeout: 120_000 })
  await joinCluster(n3, await createToken(n1))
  await untilNodesLive(n1, lab.hosts)
  const c = await attachWorkload(n3, 'web', 'c')
  await untilTheyTalk(a, c)
})

test('a cluster comes back from its backup, while those that are joined talk on', async () => {
  showHostsOnFailure(lab)
  const c = await attachWorkload(n3, 'web', 'c3')
  await untilTheyTalk(b, c)
  await n1.exec('overlayctl cluster backup /root/backup.tar')
  expect(await n1.exec("stat -c '%a %U' /root/backup.tar")).toBe('600 root')
  await n1.exec('overlayctl create --subnet 10.0.10.0/24 later')
  await expectNoLoss(b, c, async () => {
    await n1.exec('overlayctl cluster leave --destroy --force', { timeout: 120_000 })
    await timed('cluster restore', () => n1.exec('overlayctl cluster restore /root/backup.tar', { timeout: 120_000 }))
    await untilNodesLive(n1, lab.hosts, 60_000)
    // What has happened since the backup is not known: agents hold until they are told that this is meant so.
    await n1.exec('overlayctl node resync --all')
  })
  // What came after the backup is gone; what was in it is not.
  expect(await n1.exec('overlayctl ls -o name')).toBe('web')
  a = await attachWorkload(n1, 'web', 'a2')
  await untilTheyTalk(a, b)
})

test('a host leaves: nothing of ours is left in its kernel, and the others know', async () => {
  showHostsOnFailure(lab)
  await expectNoLoss(a, b, async () => {
    await timed('cluster leave', () => n3.exec('overlayctl cluster leave --force', { timeout: 120_000 }))
  })
  await untilNodesLive(n1, [n1, n2])
  expect((await traces(n3)).kernel).toEqual([])
})

test('purge leaves no device, rule, file, user or unit', async () => {
  showHostsOnFailure(lab)
  // Of a host that is in a cluster and has workloads: what there is most of.
  await joinCluster(n3, await createToken(n1))
  const c = await attachWorkload(n3, 'web', 'c2')
  await untilTheyTalk(a, c)
  expect((await traces(n3)).kernel).not.toEqual([])
  await timed('dpkg --purge', () => n3.exec('dpkg --purge overlay', { timeout: 120_000 }))
  expect(await traces(n3)).toEqual({ kernel: [], files: [], accounts: [], units: [], processes: [] })
  await n1.exec('overlayctl node rm --force n3')
})
