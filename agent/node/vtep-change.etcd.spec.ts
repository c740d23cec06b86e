import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, remove } from '../../store/store.ts'
import { createHost, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { nodeRecord, openCluster, type TestCluster } from '../testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let hosts: TestHost[]
let one: TestAgent
let two: TestAgent

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  await cluster.addNetwork('web')
  await cluster.changeNetwork('web', (record) => ({ ...record, multicast: true }))
  hosts = [createHost(1), createHost(2)]
  ;[one, two] = (await Promise.all(hosts.map((host) => startAgent(cluster, host)))) as [TestAgent, TestAgent]
})
afterEach(async () => {
  await Promise.all([one.stop(), two.stop()])
  for (const host of hosts) host.remove()
  await cluster.close()
})

/** What somebody makes of the underlay of the first host. */
function underlay(wish: { address?: string; mtu?: number; down?: true }): void {
  const { address = '192.0.2.1', mtu = 1500, down } = wish
  one.kernel.underlayInterfaces = [{ name: 'eth0', mtu, addresses: [parseIp(address)], ...(down && { down }) }]
  one.kernel.source = () => parseIp(address)
  one.kernel.change({ host: true })
}

const record = async () => (await cluster.store.get(cluster.store.keys.node('host-1')))?.value
const problems = () => one.agent.status().problems

it('another address is told to the others, and both ends of every tunnel follow', async () => {
  const { endpoint } = await one.attach('c1')
  await two.attach('d1')
  await one.until(() => one.kernel.items.has('flood ovvx7 192.0.2.2'))
  underlay({ address: '192.0.2.11' })
  await one.until(async () => (await record())?.vtepAddress === '192.0.2.11')
  await one.until(() => JSON.stringify(one.kernel.items.get('link ovvx7')).includes('"local":"192.0.2.11"'))
  const entry = () => JSON.stringify(two.kernel.items.get(`fdb ovvx7 ${endpoint?.mac}`))
  await two.until(() => entry().includes('192.0.2.11'))
  await two.until(() => two.kernel.items.has('flood ovvx7 192.0.2.11'))
  expect(two.kernel.items.has('flood ovvx7 192.0.2.1')).toBe(false)
  expect(one.agent.status()).toMatchObject({ problems: [], node: { vtepAddress: '192.0.2.11' } })
  // Claims go on under the record as it is now.
  await one.attach('c2')
})

it('one that is another node’s is refused and told, naming the other, and taken when it is free', async () => {
  await one.attach('c1')
  const { keys } = cluster.store
  const twin = { ...nodeRecord(7), vtepAddress: '192.0.2.11' }
  await cluster.store.commit({ compares: [], writes: [put(keys.node('host-7'), twin)] })
  underlay({ address: '192.0.2.11' })
  await one.until(() => problems().some((text) => text.includes('already that of node host-7')))
  expect((await record())?.vtepAddress).toBe('192.0.2.1')
  expect(one.kernel.items.get('link ovvx7')).toMatchObject({ local: '192.0.2.1' })
  await cluster.store.commit({ compares: [], writes: [remove(keys.node('host-7'))] })
  await one.until(async () => (await record())?.vtepAddress === '192.0.2.11', 10_000)
  await one.until(() => problems().length === 0)
})

it('an interface that is down is told, and keeps the address', async () => {
  await one.attach('c1')
  const before = await cluster.store.get(cluster.store.keys.node('host-1'))
  underlay({ down: true })
  await one.until(() => problems().length > 0)
  expect(problems()).toEqual(['interface eth0, which has the VTEP address 192.0.2.1, is down'])
  underlay({})
  await one.until(() => problems().length === 0)
  expect((await cluster.store.get(cluster.store.keys.node('host-1')))?.modRevision).toBe(before?.modRevision)
})

it('another MTU is written down; a network that it does not carry any more is told', async () => {
  await one.attach('c1')
  underlay({ mtu: 1400 })
  await one.until(async () => (await record())?.underlayMtu === 1400)
  await one.until(() => problems().length > 0)
  expect(problems()).toEqual([
    'network web has an MTU of 1400, but the underlay of node host-1 (MTU 1400) carries at most 1350: raise the underlay\'s MTU, or run "overlayctl update web --mtu 1350"',
  ])
  await expect(one.attach('c2')).rejects.toMatchObject({ code: 'failed_precondition' })
})
