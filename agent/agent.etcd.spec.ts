import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { put, remove } from '../store/store.ts'
import { openStateDir } from './node/state-dir.ts'
import { createHost, createTestAgent, startAgent, type TestAgent, type TestHost } from './testing/agent.ts'
import { nodeRecord, openCluster, type TestCluster } from './testing/cluster.ts'
import { operationsText } from './testing/text.ts'

let etcd: TestEtcd
let cluster: TestCluster
let hosts: TestHost[] = []
let agents: TestAgent[] = []

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  await cluster.addNetwork('web')
})
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()))
  for (const host of hosts) host.remove()
  agents = []
  hosts = []
  await cluster.close()
})

function hostOf(n: number): TestHost {
  const host = createHost(n)
  hosts.push(host)
  return host
}

async function start(host: TestHost, wish = {}, at = cluster): Promise<TestAgent> {
  const agent = await startAgent(at, host, wish)
  agents.push(agent)
  return agent
}

const idOfAttach = async (agent: TestAgent, name: string) => (await agent.attach(name)).endpoint?.id ?? ''
const state = (agent: TestAgent) => agent.agent.status().state

describe('two hosts', () => {
  it('know of each other’s endpoints as long as both have the network', async () => {
    const [two, one] = [await start(hostOf(2)), await start(hostOf(1))]
    const { endpoint } = await two.attach('d1')
    expect(one.links()).toEqual([])
    await one.attach('c1')
    // The first attach of a network writes its entries before it answers.
    const [address = ''] = endpoint?.addresses ?? []
    expect(one.kernel.items.get(`fdb ovvx7 ${endpoint?.mac}`)).toMatchObject({ vtep: '192.0.2.2' })
    expect(one.kernel.items.get(`neighbour ovbr7 ${address}`)).toMatchObject({ mac: endpoint?.mac })
    await two.until(() => two.agent.status().remoteEndpointCount === 1)
    const { keys } = cluster.store
    const node = await cluster.store.get(keys.node('host-2'))
    const moved = put(keys.node('host-2'), { ...node?.value, vtepAddress: '192.0.2.22' }, { over: node })
    await cluster.store.commit({ compares: [], writes: [moved] })
    const vtep = () => one.kernel.items.get(`fdb ovvx7 ${endpoint?.mac}`)
    await one.until(() => JSON.stringify(vtep()).includes('192.0.2.22'))
    await two.detach({ endpointId: endpoint?.id ?? '' })
    await one.until(() => vtep() === undefined && !one.kernel.items.has(`neighbour ovbr7 ${address}`))
    expect(one.agent.status()).toMatchObject({ state: 'READY', networks: ['web'], remoteEndpointCount: 0 })
  })

  it('never have an address twice, however they race', async () => {
    await cluster.addNetwork('small', { subnets: ['10.0.7.0/27'] })
    const both = [await start(hostOf(1)), await start(hostOf(2))]
    const results = await Promise.allSettled(
      both.flatMap((agent) => Array.from({ length: 20 }, (_, n) => agent.attach(`c${n}`, { network: 'small' }))),
    )
    const given = results.flatMap((result) => (result.status === 'fulfilled' ? result.value.endpoint?.addresses : []))
    expect(given).toHaveLength(29)
    expect(new Set(given).size).toBe(29)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toHaveProperty('code', 'exhausted')
    expect(await cluster.store.count(cluster.store.keys.endpoints('small'))).toBe(29)
  })
})

describe('a restart', () => {
  it('adopts what it finds without touching it', async () => {
    const other = await start(hostOf(2))
    await other.attach('d1')
    const host = hostOf(1)
    const first = await start(host)
    const { endpoint } = await first.attach('c1')
    await first.kill()
    const operations = host.kernel.operations.length
    const second = await start(host)
    expect(operationsText(host.kernel.operations.slice(operations))).toBe('')
    expect(await second.attach('c1')).toEqual({ endpoint, alreadyAttached: true })
    expect(operationsText(host.kernel.operations.slice(operations))).toBe('')
    expect(second.agent.status()).toMatchObject({ state: 'READY', localEndpointCount: 1, remoteEndpointCount: 1 })
  })

  it('makes up for what happened meanwhile', async () => {
    const other = await start(hostOf(2))
    const gone = await idOfAttach(other, 'd1')
    const host = hostOf(1)
    const first = await start(host)
    await first.attach('c1')
    await first.stop()
    await other.detach({ endpointId: gone })
    const { endpoint } = await other.attach('d2')
    const second = await start(host)
    expect(second.agent.status()).toMatchObject({ state: 'READY', remoteEndpointCount: 1 })
    expect([...host.kernel.items.keys()].filter((id) => id.startsWith('fdb ovvx7'))).toEqual([
      `fdb ovvx7 ${endpoint?.mac}`,
    ])
  })

  it('after a reboot releases what went with the former boot', async () => {
    const host = hostOf(1)
    const first = await start(host)
    await first.attach('c1')
    await first.stop()
    host.kernel.items.clear()
    const second = await start(host, { bootId: 'another-boot' })
    await second.until(async () => (await cluster.store.count(cluster.store.keys.allEndpoints)) === 0)
    await second.until(() => second.agent.status().openIntents === 0)
    expect(second.agent.status()).toMatchObject({ state: 'READY', localEndpointCount: 0, networks: [] })
    expect(second.links()).toEqual([])
    await second.attach('c1')
  })

  it('an endpoint whose record is gone stays, until it is detached', async () => {
    const host = hostOf(1)
    const first = await start(host)
    const endpointId = await idOfAttach(first, 'c1')
    await first.stop()
    const { keys } = cluster.store
    await cluster.store.commit({
      compares: [],
      writes: [remove(keys.endpoint('web', endpointId)), remove(keys.placement('host-1', 'web', endpointId))],
    })
    const second = await start(host)
    expect(state(second)).toBe('HOLDING')
    expect(second.links()).toHaveLength(3)
    await second.detach({ endpointId })
    await second.until(() => state(second) === 'READY' && host.kernel.items.size === 0)
  })
})

describe('a start with a store that lacks a network', () => {
  it('leaves the network’s endpoints alone', async () => {
    const host = hostOf(1)
    const first = await start(host)
    const endpointId = await idOfAttach(first, 'c1')
    await first.stop()
    const { keys } = cluster.store
    await cluster.store.commit({ compares: [], writes: [remove(keys.network('web'))] })
    const whole = host.kernel.text()
    const second = await start(host)
    expect(second.agent.status()).toMatchObject({
      state: 'HOLDING',
      reason: expect.stringContaining('network web has live endpoints on this host but no record in the store'),
    })
    expect(host.kernel.text()).toBe(whole)
    await second.detach({ endpointId })
    await second.until(() => state(second) === 'READY' && host.kernel.items.size === 0)
  })
})

describe('eviction', () => {
  /** As `node rm` does: the node's record first, then all that it had. */
  async function evict(node: string): Promise<void> {
    const { store } = cluster
    const { keys } = store
    await store.commit({ compares: [], writes: [remove(keys.node(node))] })
    const placements = keys.placements(node)
    const { entries } = await store.list(placements)
    for (const { path } of entries) {
      const [network = '', id = ''] = path.slice(placements.prefix.length).split('/')
      await store.commit({ compares: [], writes: [remove(keys.endpoint(network, id)), remove({ path, type: null })] })
    }
  }

  it('takes a running agent’s endpoints down; it registers anew and goes on', async () => {
    const agent = await start(hostOf(1))
    await agent.attach('c1')
    await agent.attach('c2')
    const before = agent.parts.registration().generation()
    await evict('host-1')
    await agent.until(() => state(agent) === 'READY' && agent.kernel.items.size === 0)
    const { keys } = cluster.store
    await agent.until(async () => ((await cluster.store.get(keys.node('host-1')))?.createRevision ?? 0) > before)
    await agent.until(async () => (await agent.attach('c3').catch(() => undefined)) !== undefined)
    expect(agent.parts.registration().generation()).toBeGreaterThan(before)
    expect(agent.links()).toHaveLength(3)
  })

  it('while the agent was away is found at its start', async () => {
    const host = hostOf(1)
    const first = await start(host)
    await first.attach('c1')
    await first.stop()
    await evict('host-1')
    const second = await start(host)
    expect(state(second)).toBe('READY')
    expect(host.kernel.items.size).toBe(0)
  })
})

describe('what may not enter', () => {
  it('a host whose name or VTEP is another’s', async () => {
    await start(hostOf(1))
    await expect(start(hostOf(1))).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringContaining('VTEP 192.0.2.1'),
    })
    const { keys } = cluster.store
    const twin = { ...nodeRecord(7), vtepAddress: '192.0.2.3' }
    await cluster.store.commit({ compares: [], writes: [put(keys.node('host-7'), twin)] })
    await expect(start(hostOf(3))).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringContaining('VTEP address 192.0.2.3 is already that of node host-7'),
    })
  })

  it('a node that was given another name: what lives here would look evicted', async () => {
    const host = hostOf(1)
    const agent = await start(host)
    await agent.attach('c1')
    await agent.stop()
    const before = host.kernel.text()
    openStateDir(host.directory).writeMemory({ clusterUid: cluster.uid, revision: 1, generation: 1, node: 'host-9' })
    await expect(start(host)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('is that of node "host-9": start the agent with --node host-9'),
    })
    expect(host.kernel.text()).toBe(before)
  })

  it('before it is in sync, an agent says why it does nothing', async () => {
    const empty = await openCluster(etcd)
    await empty.store.commit({ compares: [], writes: [remove(empty.store.keys.cluster)] })
    const host = hostOf(1)
    const agent = createTestAgent(empty, host, {})
    agents.push(agent)
    const running = agent.agent.run()
    running.catch(() => undefined)
    await agent.until(() => agent.agent.status().reason.includes('holds no cluster yet'))
    expect(state(agent)).toBe('SYNCING')
    expect(() => agent.parts).toThrow(
      /the agent is not in sync yet: .* holds no cluster yet: start an overlay-controller/,
    )
    await empty.store.commit({ compares: [], writes: [put(empty.store.keys.cluster, { uid: 'c9' })] })
    await running
    expect(state(agent)).toBe('READY')
    await agent.stop()
    await empty.close()
  })
})
