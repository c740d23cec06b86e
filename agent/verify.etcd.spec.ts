import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Repairs } from '../proto/index.ts'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { createHost, createTestAgent, startAgent, type TestAgent, type TestHost } from './testing/agent.ts'
import { openCluster, type TestCluster } from './testing/cluster.ts'
import { verify } from './verify.ts'

let etcd: TestEtcd
let cluster: TestCluster
let hosts: [TestHost, TestHost]
let agent: TestAgent
let other: TestAgent
let neighbour = ''

/** One endpoint on each of two hosts. */
beforeEach(async () => {
  etcd = await startEtcd()
  cluster = await openCluster(etcd)
  hosts = [createHost(1), createHost(2)]
  agent = await startAgent(cluster, hosts[0])
  other = await startAgent(cluster, hosts[1])
  await cluster.addNetwork('web')
  await agent.attach('c1')
  const { endpoint } = await other.attach('d1')
  neighbour = `neighbour ovbr7 ${endpoint?.addresses[0]}`
  await agent.until(() => agent.kernel.items.has(neighbour))
})
afterEach(async () => {
  await Promise.all([agent.stop(), other.stop()])
  await cluster.close()
  await etcd.close()
  for (const host of hosts) host.remove()
})

const verified = () => verify(agent.parts)
const objects = async () => (await verified()).deviations.map(({ kind, object }) => `${kind} ${object}`)

it('compares with the store as it is now', async () => {
  const { revision } = await agent.store.probe()
  const found = await verified()
  expect(found).toMatchObject({ node: 'host-1', held: '', deviations: [], objects: agent.kernel.items.size })
  expect(found.revision).toBeGreaterThanOrEqual(revision)
  for (let n = 2; n < 6; n++) {
    const { endpoint } = await other.attach(`d${n}`)
    expect(await objects()).toEqual([])
    // What it has been compared with has it, so the kernel has, too.
    expect(agent.kernel.items.has(`neighbour ovbr7 ${endpoint?.addresses[0]}`)).toBe(true)
  }
})

describe('what somebody else changed', () => {
  it('is found, and told when a change in the kernel has led to its repair', async () => {
    const told: Repairs[] = []
    agent.agent.onRepairs((repairs) => told.push(repairs))
    agent.kernel.items.delete(neighbour)
    expect(await verified()).toMatchObject({
      held: '',
      deviations: [{ kind: 'MISSING', object: neighbour, network: 'web', wanted: [expect.stringMatching(/^mac /)] }],
    })
    expect(agent.kernel.items.has(neighbour)).toBe(false)
    agent.kernel.change({ host: true })
    agent.kernel.change({ ours: true })
    await agent.until(() => agent.kernel.items.has(neighbour))
    await agent.until(() => told.length > 0)
    expect(told).toMatchObject([{ deviations: [{ kind: 'MISSING', object: neighbour, times: 1 }], more: 0 }])
    expect(await objects()).toEqual([])
  })

  it('is not told of what an agent finds when it starts', async () => {
    await agent.stop()
    agent.kernel.items.delete(neighbour)
    agent = createTestAgent(cluster, hosts[0], {})
    const told: Repairs[] = []
    agent.agent.onRepairs((repairs) => told.push(repairs))
    await agent.agent.run()
    await agent.until(() => agent.kernel.items.has(neighbour))
    agent.kernel.items.delete('isolation')
    agent.kernel.change({ firewall: true })
    await agent.until(() => told.length > 0)
    expect(told.flatMap(({ deviations }) => deviations.map(({ object }) => object))).toEqual(['isolation'])
  })
})

it('compares with what was known when the store is away, and says so', async () => {
  await etcd.stop()
  agent.kernel.items.delete(neighbour)
  const found = await verified()
  expect(found.held).toMatch(/^compared with what was known at revision \d+, because the store cannot be reached: /)
  expect(found.deviations.map(({ object }) => object)).toEqual([neighbour])
  await etcd.restart()
})

it('says why nothing is deleted', async () => {
  agent.parts.guard.set('view', 'history went back')
  const bridge = agent.kernel.items.get('link ovbr7')
  if (bridge) agent.kernel.items.set('link ovbr99', { ...bridge, name: 'ovbr99' } as typeof bridge)
  expect(await verified()).toMatchObject({
    held: 'history went back',
    deviations: [{ kind: 'SURPLUS', object: 'link ovbr99', obstacle: 'history went back' }],
  })
})

it('is refused by an agent that is not in sync', async () => {
  const starting = createTestAgent(cluster, hosts[0], {})
  expect(() => starting.agent.parts()).toThrow('the agent is not in sync yet')
  await starting.kill()
})
