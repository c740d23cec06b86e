/** Three hosts are the control plane, and one of them is gone. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../lab/until.ts'
import { createToken, makeCluster, untilNodesLive } from '../cluster.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts, tell } from './started-hosts.ts'
import { attachWorkload, untilTheyTalk } from './workload.ts'

/** Milliseconds until create and attach work again. */
const bound = 10_000
let lab: NspawnLab

beforeAll(async () => {
  lab = await startedHosts({ hosts: 3 })
  await makeCluster(lab.hosts, { controlPlane: 3 })
  // Root of the first host is an admin; on the others somebody has to be one too.
  const { controller, token } = await createToken(lab.host(1), '--role', 'admin', '--uses', '2')
  for (const host of lab.hosts.slice(1))
    await host.exec(['overlayctl', 'cluster', 'login', controller, '--token', token, '--name', `admin-${host.name}`])
})
afterAll(() => lab?.down())

test('three members, three controllers, and nothing wrong with them', async () => {
  showHostsOnFailure(lab)
  for (const host of lab.hosts) {
    const { exitCode, stdout, stderr } = await host.try('overlayctl cluster status')
    expect([exitCode, stderr], stdout).toEqual([0, ''])
    for (const { name } of lab.hosts) expect(stdout).toContain(name)
  }
})

test.each([1, 2, 3])('host %i loses its power: create and attach go on, and it comes back', async (number) => {
  showHostsOnFailure(lab)
  const gone = lab.host(number)
  const [one, other] = lab.hosts.filter((host) => host !== gone)
  if (!one || !other) throw new Error('there are three')
  const network = `net${number}`
  await gone.powerCut()
  const begun = performance.now()
  const create = `overlayctl create --subnet 10.0.${number}.0/24 ${network}`
  let said = ''
  const created = async () => {
    const { exitCode, stderr } = await one.try(create)
    said = stderr
    return exitCode === 0
  }
  await until(created, { what: 'create to work', deadline: 60_000, detail: () => said })
  tell(`host ${number} gone: until a network is created`, performance.now() - begun)
  const [a, b] = [await attachWorkload(one, network, `a${number}`), await attachWorkload(other, network, `b${number}`)]
  await untilTheyTalk(a, b)
  const took = performance.now() - begun
  tell(`host ${number} gone: until two new workloads on the others talk`, took)
  expect(took).toBeLessThan(bound)

  const back = performance.now()
  await gone.start()
  await untilNodesLive(one, lab.hosts, 60_000)
  await until(async () => (await gone.try('overlayctl cluster status')).exitCode === 0, {
    what: 'the control plane to be whole',
    deadline: 60_000,
    every: 200,
  })
  tell(`host ${number} back: until the control plane is whole`, performance.now() - back)
  const c = await attachWorkload(gone, network, `c${number}`)
  await untilTheyTalk(a, c)
})
