/** A store that is in sync but wrong must not sweep. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { createHost, createTestAgent, startAgent, type TestAgent, type TestHost } from './testing/agent.ts'
import { openCluster, randomPrefix, type TestCluster } from './testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent
let other: TestAgent
let otherHost: TestHost
let whole = ''

/** One host with an endpoint, and a remote one; `saveData` has the state before. */
beforeEach(async () => {
  etcd = await startEtcd()
  cluster = await openCluster(etcd)
  host = createHost(1)
  agent = await startAgent(cluster, host)
  await cluster.addNetwork('web')
  await etcd.stop()
  await etcd.saveData()
  await etcd.restart()
  otherHost = createHost(2)
  other = await startAgent(cluster, otherHost)
  await other.attach('d1')
  await agent.until(() => agent.agent.status().state === 'READY', 10_000)
  await agent.attach('c1')
  await agent.until(() => agent.agent.status().remoteEndpointCount === 1 && host.kernel.text().includes('neighbour'))
  whole = host.kernel.text()
})
afterEach(async () => {
  await Promise.all([agent.stop(), other.stop()])
  await cluster.close()
  await etcd.close()
  for (const each of [host, otherHost]) each.remove()
})

const deletes = () => host.kernel.operations.filter(({ do: what }) => what === 'delete')

async function nothingIsSwept(): Promise<void> {
  await agent.until(() => agent.agent.status().state === 'HOLDING', 10_000)
  // Not even by an audit that comes now.
  if (agent.agent.status().clusterUid) await agent.parts.reconciler.audit()
  expect(host.kernel.text()).toBe(whole)
  expect(deletes()).toEqual([])
}

describe('a restarted agent', () => {
  const restart = async (at = cluster) => {
    await agent.stop()
    agent = createTestAgent(at, host, {})
    agent.agent.run().catch(() => undefined)
  }

  it('with another prefix holds', async () => {
    const empty = await openCluster(etcd, randomPrefix())
    await restart(empty)
    await nothingIsSwept()
    expect(agent.agent.status().reason).toContain(`is that of cluster ${empty.uid}, but this node belongs to cluster`)
    expect(await empty.paths()).toEqual(['cluster'])
    await restart()
    await agent.until(() => agent.agent.status().state === 'READY', 10_000)
    expect(host.kernel.text()).toBe(whole)
    await empty.close()
  })

  it('detaches by what the kernel shows, and releases when the right store is there', async () => {
    const [own] = await other.store
      .list(other.store.keys.endpoints('web'))
      .then(({ entries }) => entries.filter(({ value }) => value.node === 'host-1'))
    const id = own?.value.id ?? ''
    const empty = await openCluster(etcd, randomPrefix())
    await restart(empty)
    await agent.until(() => agent.agent.status().state === 'HOLDING', 10_000)
    await expect(agent.detach({ endpointId: 'ffff' })).rejects.toThrow(`here are ${id} (web)`)
    await expect(agent.detach({ network: 'web', netns: '/run/netns/c1' })).rejects.toThrow(`name an endpoint's id`)
    const { endpoint, warning } = await agent.detach({ endpointId: id.slice(0, 8) })
    expect(endpoint).toMatchObject({ id, network: 'web' })
    expect(warning).toContain('only released when the agent is in sync')
    expect(agent.links().filter((link) => link.includes('ove'))).toEqual([])
    expect(await other.store.get(other.store.keys.endpoint('web', id))).toBeDefined()
    await restart()
    await agent.until(async () => (await other.store.get(other.store.keys.endpoint('web', id))) === undefined, 10_000)
    await agent.until(() => agent.links().length === 0)
    await empty.close()
  })

  it('with an older snapshot holds', async () => {
    await agent.stop()
    await etcd.stop()
    await etcd.restoreData()
    await etcd.restart()
    await restart()
    await nothingIsSwept()
    expect(agent.agent.status().reason).toContain('it was restored from an older state')
  })
})

describe('under a running agent', () => {
  it('an older snapshot makes it hold', async () => {
    await etcd.stop()
    await etcd.restoreData()
    await etcd.restart()
    await nothingIsSwept()
  })

  it('an empty store makes it hold, and the right one ends that', async () => {
    const right = join(host.directory, 'right-data')
    await etcd.stop()
    await cp(etcd.dataDirectory, right, { recursive: true })
    await rm(etcd.dataDirectory, { recursive: true })
    await etcd.restart()
    await nothingIsSwept()
    await etcd.stop()
    await rm(etcd.dataDirectory, { recursive: true })
    await cp(right, etcd.dataDirectory, { recursive: true })
    await etcd.restart()
    await agent.until(() => agent.agent.status().state === 'READY', 15_000)
    await agent.parts.reconciler.audit()
    expect(host.kernel.text()).toBe(whole)
    expect(deletes()).toEqual([])
    await agent.attach('c2')
  })
})
