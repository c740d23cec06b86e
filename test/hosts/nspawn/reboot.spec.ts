/** A host that is rebooted, or loses its power, is back in the cluster by itself. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../lab/until.ts'
import { makeCluster, untilNodesLive } from '../cluster.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts, timed } from './started-hosts.ts'
import { attachWorkload, untilTheyTalk, type Workload } from './workload.ts'

let lab: NspawnLab
/** On n1, n2. */
let a: Workload, b: Workload

beforeAll(async () => {
  lab = await startedHosts({ hosts: 2 })
  await makeCluster(lab.hosts)
  await lab.host(1).exec('overlayctl create --subnet 10.0.9.0/24 web')
  a = await attachWorkload(lab.host(1), 'web', 'a')
  b = await attachWorkload(lab.host(2), 'web', 'b')
  await untilTheyTalk(a, b)
})
afterAll(() => lab?.down())

test.each([
  ['a joined host is rebooted', 2, 'reboot'],
  ['a joined host loses its power', 2, 'cut'],
  ['the host of the control plane is rebooted', 1, 'reboot'],
  ['the host of the control plane loses its power', 1, 'cut'],
] as const)('%s', async (what, number, how) => {
  showHostsOnFailure(lab)
  const host = lab.host(number)
  const boot = await host.exec('cat /proc/sys/kernel/random/boot_id')
  const name = `${how}-${number}`
  await timed(`${what}: until it talks again`, async () => {
    if (how === 'reboot') await host.reboot()
    else {
      await host.powerCut()
      await host.start()
    }
    await untilNodesLive(lab.host(1), lab.hosts, 60_000)
    // A session outlives a boot that is as short as this.
    await until(async () => /^Agent: +ready/m.test((await host.try('overlayctl status')).stdout), {
      what: `the agent of ${host.name} to be in sync`,
      deadline: 60_000,
    })
    // What was attached in a namespace that has ended is attached again by whoever made it.
    const again = await attachWorkload(host, 'web', name)
    if (number === 2) b = again
    else a = again
    await untilTheyTalk(a, b)
  })
  expect(await host.exec('cat /proc/sys/kernel/random/boot_id')).not.toBe(boot)
  expect(await host.exec("systemctl is-active 'overlay-agent'")).toBe('active')
})
