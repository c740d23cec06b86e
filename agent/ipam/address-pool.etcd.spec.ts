import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { remove } from '../../store/store.ts'
import { createHost, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { openCluster, type TestCluster } from '../testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let hosts: readonly TestHost[]
let agents: readonly TestAgent[]

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  await cluster.addNetwork('few', { subnets: ['10.0.9.0/28'] })
  hosts = [createHost(1), createHost(2)]
  agents = await Promise.all(hosts.map((host) => startAgent(cluster, host)))
})
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()))
  for (const host of hosts) host.remove()
  await cluster.close()
})

const agent = (at: number): TestAgent => agents[at] as TestAgent

/** All views show the address as owned, or as free. */
async function seen(ip: string, owned: boolean): Promise<void> {
  for (const { until, parts } of agents)
    await until(() => (parts.view.ownerOf('few', parseIp(ip)) !== undefined) === owned)
}

async function attach(at: number, name: string): Promise<{ id: string; ip: string }> {
  const { endpoint } = await agent(at).attach(name, { network: 'few' })
  return { id: endpoint?.id ?? '', ip: endpoint?.addresses[0] ?? '' }
}

/** As `ipam release` does: nothing but what agents remember speaks against the address now. */
async function endRest(ip: string): Promise<void> {
  const key = cluster.store.keys.releasedAddress('few', parseIp(ip))
  expect(await cluster.store.get(key)).toBeDefined()
  await cluster.store.commit({ compares: [], writes: [remove(key)] })
}

it('addresses that were given back are handed out last, the longest ago first, whoever had them', async () => {
  // Both follow the network from now on.
  await Promise.all([attach(0, 'stays'), attach(1, 'stays')])
  const gone = [await attach(0, 'a'), await attach(1, 'b'), await attach(0, 'c')]
  for (const { ip } of gone) await seen(ip, true)
  for (const [n, { id, ip }] of gone.entries()) {
    await agent(n % 2).detach({ endpointId: id })
    await seen(ip, false)
    await endRest(ip)
  }
  // 13 addresses for hosts; two are owned, three were given back: eight were never used.
  const given: string[] = []
  for (let n = 0; n < 8; n++) given.push((await attach(n % 2, `d${n}`)).ip)
  expect(new Set(given).size).toBe(8)
  for (const { ip } of gone) expect(given).not.toContain(ip)
  // No clock has to run: that nothing rests any more the store tells.
  expect([(await attach(1, 'e')).ip, (await attach(0, 'f')).ip, (await attach(1, 'g')).ip]).toEqual(
    gone.map(({ ip }) => ip),
  )
  await expect(attach(0, 'h')).rejects.toMatchObject({ code: 'exhausted' })
})
