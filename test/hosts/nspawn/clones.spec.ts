/**
 * Vagrant's traps, all at once: hosts cloned from one image with its machine
 * id, and on each a first interface with the default route and one same
 * address, which leads nowhere.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createToken, initCluster, joinCluster, untilNodesLive } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts } from './started-hosts.ts'
import { attachWorkload, untilTheyTalk } from './workload.ts'

let lab: NspawnLab
let n1: NspawnHost, n2: NspawnHost

beforeAll(async () => {
  lab = await startedHosts({ hosts: 2, nat: true, machineId: '0123456789abcdef0123456789abcdef' })
  ;[n1, n2] = [lab.host(1), lab.host(2)]
})
afterAll(() => lab?.down())

test('they are what the test says they are', async () => {
  expect(await n1.exec('cat /etc/machine-id')).toBe(await n2.exec('cat /etc/machine-id'))
  expect(await n1.exec('ip route show default')).toContain('dev nat0')
})

test('init does not advertise the address that every host has, and says which are left', async () => {
  showHostsOnFailure(lab)
  const { exitCode, stderr } = await n1.try('overlayctl cluster init')
  expect(exitCode).toBe(1)
  expect(stderr).toContain('--advertise')
  expect(stderr).toContain(n1.address)
})

test('a cluster of them carries traffic', async () => {
  showHostsOnFailure(lab)
  await initCluster(n1, '--advertise', n1.address)
  // Without a flag: the address by which it reaches the controller.
  await joinCluster(n2, { ...(await createToken(n1)), controller: `${n1.address}:4780` })
  await untilNodesLive(n1, lab.hosts)
  await n1.exec('overlayctl create --subnet 10.0.9.0/24 web')
  const [a, b] = [await attachWorkload(n1, 'web', 'a'), await attachWorkload(n2, 'web', 'b')]
  await untilTheyTalk(a, b)
  const mac = (host: NspawnHost) => host.exec("ip -o link show type vxlan | grep -o 'link/ether [0-9a-f:]*'")
  expect(await mac(n1)).not.toBe(await mac(n2))
})

test('somebody is told of the machine id', async () => {
  const said = await Promise.all([
    ...lab.hosts.map((host) => host.exec('journalctl --no-pager --unit overlay-agent')),
    n1.exec('overlayctl status'),
  ])
  expect(said.join('\n')).toMatch(/machine.id/i)
})
