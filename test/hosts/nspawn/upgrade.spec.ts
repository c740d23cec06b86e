/** From the previous package to this one, host after host, and each program restarted: under a ping that loses nothing. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { makeCluster, untilNodesLive } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts, timed } from './started-hosts.ts'
import { expectNoLoss } from './steady.ts'
import { attachWorkload, detachWorkload, untilTheyTalk, type Workload } from './workload.ts'

let lab: NspawnLab
/** On n1, n3. */
let a: Workload, b: Workload

beforeAll(async () => {
  lab = await startedHosts({ hosts: 3, have: 'previous' })
  // A controller of either version beside one of the other.
  await makeCluster(lab.hosts, { controlPlane: 3 })
  await lab.host(1).exec('overlayctl create --subnet 10.0.9.0/24 web')
  a = await attachWorkload(lab.host(1), 'web', 'a')
  b = await attachWorkload(lab.host(3), 'web', 'b')
  await untilTheyTalk(a, b)
})
afterAll(() => lab?.down())

const units = ['overlay-etcd', 'overlay-controller', 'overlay-agent'] as const

test.each([1, 2, 3])('host %i is upgraded', async (number) => {
  showHostsOnFailure(lab)
  const host = lab.host(number)
  host.copyIn(inject('nspawn').deb, '/root/overlay.deb')
  const [version, pids] = [await versionOn(host), await mainPids(host)]
  await expectNoLoss(a, b, async () => {
    await timed(`upgrade of host ${number}`, () => host.exec('dpkg -i /root/overlay.deb', { timeout: 120_000 }))
    await untilNodesLive(host, lab.hosts)
    // Versions are mixed until the last host: everything works on every one.
    for (const on of lab.hosts) {
      const workload = await attachWorkload(on, 'web', `mixed-${number}-${on.name}`)
      await untilTheyTalk(workload, on === lab.host(3) ? a : b)
      await detachWorkload(workload)
    }
  })
  expect(await versionOn(host)).not.toBe(version)
  const now = await mainPids(host)
  // etcd is started again only where its program is another.
  for (const [at, unit] of units.entries())
    if (unit !== 'overlay-etcd') expect(now[at], `${unit} runs the new version`).not.toBe(pids[at])
})

test.each(units)('%s is restarted on each host', async (unit) => {
  showHostsOnFailure(lab)
  await expectNoLoss(a, b, async () => {
    for (const host of lab.hosts) {
      await timed(`${unit} restarted on ${host.name}`, () => host.exec(`systemctl restart ${unit}`))
      await untilNodesLive(host, lab.hosts)
    }
  })
})

async function versionOn(host: NspawnHost): Promise<string> {
  return host.exec(['dpkg-query', '--show', '--showformat', '${Version}', 'overlay'])
}

/** In the order of the units. */
async function mainPids(host: NspawnHost): Promise<readonly string[]> {
  const names = units.join(' ')
  const pids = (await host.exec(`systemctl show --value --property MainPID ${names}`)).split('\n').filter(Boolean)
  for (const pid of pids) expect(Number(pid)).toBeGreaterThan(1)
  return pids
}
