/** What the hosts reach otherwise: reported by their agents, kept free by new subnets, warned of where it comes later. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { storedKey } from './store-content.ts'

let lab: Lab
let h1: Host
let h2: Host

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  h1 = lab.host(1)
  h2 = lab.host(2)
})
afterAll(() => lab?.down())

async function routesOf(host: Host) {
  const { value } = await storedKey(lab.etcd, `hostroutes/${host.agent.node}`)
  return (value as { routes: readonly { kind: string; cidr: string; via: string }[] }).routes
}
const warnings = async () => (await lab.overlayctlJson<{ warnings?: string[] }>('status')).warnings ?? []

test('a route that a host has keeps subnets away; one that it gets is warned of', async () => {
  showHostsOnFailure(lab)
  expect(await routesOf(h1)).toContainEqual(expect.objectContaining({ kind: 'ROUTE', via: h1.underlay }))
  await lab.overlayctlJson('create', 'web', '--subnet', '10.0.9.0/24')
  await h1.attach('web', await lab.sandbox('a'))
  await h2.exec(`ip route add 10.0.0.0/16 dev ${h2.underlay}`)
  await until(async () => (await warnings()).length > 0, { what: 'the warning' })
  const overlap = `overlaps route 10.0.0.0/16 (${h2.underlay}) of node ${h2.agent.node}: `
  expect(await warnings()).toEqual([expect.stringContaining(`network web: subnet 10.0.9.0/24 ${overlap}`)])

  const refused = await lab.overlayctl('create', 'db', '--subnet', '10.0.8.0/24')
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr).toContain('--allow-overlap')
  await lab.overlayctlJson('create', 'db', '--subnet', '10.0.8.0/24', '--allow-overlap')
  expect(await warnings()).toHaveLength(1)
  await h2.exec('ip route del 10.0.0.0/16')
  await until(async () => (await warnings()).length === 0, { what: 'the end of the warning' })
  // Its own bridge was never a route of the host.
  expect((await routesOf(h1)).map(({ cidr }) => cidr)).not.toContain('10.0.9.0/24')
})

test('what the host got while its agent was away is reported when it is back', async () => {
  showHostsOnFailure(lab)
  const has = async () => (await routesOf(h1)).some(({ cidr }) => cidr === '10.77.0.0/16')
  await h1.agent.kill()
  await h1.exec(`ip route add 10.77.0.0/16 dev ${h1.underlay}`)
  expect(await has()).toBe(false)
  await h1.agent.start()
  await until(has, { what: 'the route to be reported' })
  await h1.exec('ip route del 10.77.0.0/16')
  await until(async () => !(await has()), { what: 'its end to be reported' })
})
