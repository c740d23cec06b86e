/** A store that is in sync but wrong must not sweep. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { put } from '../store/store.ts'
import { createHost, createTestAgent, startAgent, type TestAgent, type TestHost } from './testing/agent.ts'
import { nodeRecord, openCluster, randomPrefix, type TestCluster } from './testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent
let other: TestAgent
let otherHost: TestHost
let whole = ''

/** One host with an endpoint, a remote one, and a network that every host has; `saveData` has the state before. */
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
  await addEager('all', 77)
  await agent.until(() => agent.agent.status().state === 'READY', 10_000)
  await agent.attach('c1')
  await agent.until(() => agent.agent.status().remoteEndpointCount === 1 && host.kernel.text().includes('neighbour'))
  await agent.until(() => agent.links().includes('link ovvx77'))
  whole = host.kernel.text()
})
afterEach(async () => {
  await Promise.all([agent.stop(), other.stop()])
  await cluster.close()
  await etcd.close()
  for (const each of [host, otherHost]) each.remove()
})

async function addEager(name: string, vni: number): Promise<void> {
  await cluster.addNetwork(name, { subnets: ['10.0.8.0/24'], vni })
  await cluster.changeNetwork(name, (record) => ({ ...record, eager: true }))
}

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
    await agent.until(() => agent.links().every((link) => link.endsWith('77')))
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
  it('an older snapshot makes it hold, but take in what is added', async () => {
    await etcd.stop()
    await etcd.restoreData()
    await etcd.restart()
    await nothingIsSwept()
    await addEager('more', 78)
    await agent.until(() => agent.links().includes('link ovvx78'), 10_000)
    expect(deletes()).toEqual([])
  })

  /** Another cluster under the same prefix, with a network, a node and addresses that are called the same. */
  async function inhabit(): Promise<void> {
    const wrong = await openCluster(etcd, cluster.prefix)
    await wrong.addNetwork('web', { vni: 99 })
    const { keys } = wrong.store
    const ids = ['e1', 'e2']
    const endpoints = ids.map((id, n) =>
      put(keys.endpoint('web', id), {
        id,
        network: 'web',
        node: 'host-2',
        mac: `02:00:00:00:00:0${n + 1}`,
        addresses: [`10.0.9.${n + 2}`],
        ifname: 'eth0',
        sandbox: { kind: 'NAMESPACE', bootId: 'b', cookie: '1', path: '/c' },
      }),
    )
    const node = put(keys.node('host-2'), { ...nodeRecord(2), vtepAddress: '192.0.2.99' })
    await wrong.store.commit({ compares: [], writes: [node, ...endpoints] })
    // Revisions tell nothing: it may have seen more than the right one.
    for (let n = 0; n < 50; n++) await wrong.changeNetwork('web', (record) => ({ ...record, mtu: 1300 + n }))
    await wrong.close()
  }

  it.each([
    ['empty', async () => undefined],
    ['another cluster’s', inhabit],
  ])('a store that is %s makes it hold, and the right one ends that', async (_, fill) => {
    const right = join(host.directory, 'right-data')
    await etcd.stop()
    await cp(etcd.dataDirectory, right, { recursive: true })
    await rm(etcd.dataDirectory, { recursive: true })
    await etcd.restart()
    await fill()
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
