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

/** Programs that run in the host's namespace and watch its routes. */
async function monitors(host: Host): Promise<readonly string[]> {
  const commands = await host.exec(
    `for process in /proc/[0-9]*; do
       if [ "$(readlink $process/ns/net)" = "$(readlink /proc/self/ns/net)" ]; then tr '\\0' ' ' <$process/cmdline; echo; fi
     done 2>/dev/null; true`,
  )
  return commands.split('\n').filter((command) => command.startsWith('ip -o monitor'))
}

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

test('nobody watches the routes any more when the agent was killed', async () => {
  expect(await monitors(h1)).toHaveLength(1)
  await h1.agent.kill()
  await until(async () => (await monitors(h1)).length === 0, { what: 'the end of the monitor' })
  await h1.agent.start()
  await until(async () => (await monitors(h1)).length === 1, { what: 'a new monitor' })
})
