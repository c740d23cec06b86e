/** A store that went back is believed again, when somebody says so: nothing that lives is lost by it. */
import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Endpoint, ResyncRequest } from '../proto/index.ts'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { createHost, createTestAgent, startAgent, type TestAgent, type TestHost } from './testing/agent.ts'
import { openCluster, type TestCluster } from './testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let hosts: readonly [TestHost, TestHost]
let one: TestAgent
let two: TestAgent
/** Those that run. */
let agents: TestAgent[]

beforeEach(async () => {
  agents = []
  etcd = await startEtcd()
  cluster = await openCluster(etcd)
  hosts = [createHost(1), createHost(2)]
})
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()))
  await cluster.close()
  await etcd.close()
  for (const host of hosts) host.remove()
})

/** What etcd has now is what it will have after `goBack`. */
async function save(): Promise<void> {
  await etcd.stop()
  await etcd.saveData()
  await etcd.restart()
  await Promise.all(agents.map(ready))
}

/** All agents that run see far more than was saved. */
async function seeMuch(): Promise<void> {
  await cluster.addNetwork('busy', { subnets: ['10.0.200.0/24'] })
  for (let n = 0; n < 30; n++) await cluster.changeNetwork('busy', (record) => ({ ...record, mtu: 1300 + n }))
  const { revision } = await cluster.store.probe()
  await Promise.all(agents.map((agent) => agent.until(() => agent.parts.sync.revision() >= revision)))
}

async function goBack(): Promise<void> {
  await etcd.stop()
  await etcd.restoreData()
  await etcd.restart()
}

const ready = (agent: TestAgent) =>
  expect
    .poll(() => agent.agent.status(), { timeout: 10_000, interval: 5 })
    .toMatchObject({ state: 'READY', reason: '' })
/** It has found out that the store went back. */
const holding = (agent: TestAgent) =>
  agent.until(() => agent.agent.status().reason.includes('run "overlayctl node resync'), 10_000)
const resync = (agent: TestAgent, discard = false) => agent.agent.resync(ResyncRequest.create({ discard }))
const deletes = (host: TestHost) => host.kernel.operations.filter(({ do: what }) => what === 'delete')

async function attach(agent: TestAgent, name: string): Promise<Endpoint> {
  const { endpoint } = await agent.attach(name, { name })
  if (!endpoint) throw new Error('an answer without an endpoint')
  return endpoint
}

/** The keys of an endpoint, as a claim writes them. */
const keysOf = ({ id, mac, name, node, addresses: [ip] }: Endpoint) =>
  [
    `addresses/web/${ip}`,
    `endpoints/web/${id}`,
    `macs/web/${mac}`,
    `names/web/${name}`,
    `placements/${node}/web/${id}`,
  ].toSorted()

async function start(host: TestHost): Promise<TestAgent> {
  const agent = await startAgent(cluster, host)
  agents.push(agent)
  return agent
}

async function both(): Promise<void> {
  one = await start(hosts[0])
  two = await start(hosts[1])
  await cluster.addNetwork('web')
}

describe('of agents that run', () => {
  it('writes back what lives and was lost, node by node, and sweeps nothing meanwhile', async () => {
    await both()
    const kept = await attach(one, 'kept')
    const detached = await attach(two, 'detached')
    await save()
    const [mine, theirs] = [await attach(one, 'mine'), await attach(two, 'theirs')]
    await two.detach({ endpointId: detached.id })
    await one.until(() => one.agent.status().remoteEndpointCount === 1)
    await seeMuch()
    const whole = hosts[0].kernel.text().split('\n')
    await goBack()
    await Promise.all([holding(one), holding(two)])
    expect(one.agent.status().reason).toContain('run "overlayctl node resync host-1"')
    await expect(one.attach('refused')).rejects.toThrow('attaches nothing while it holds')

    for (const { kernel } of hosts) kernel.operations.length = 0
    const first = await resync(one)
    expect(first).toMatchObject({ node: 'host-1', discarded: [], left: [] })
    expect(first.restored.map(({ id, addresses, mac, name }) => ({ id, addresses, mac, name }))).toEqual([
      { id: mine.id, addresses: mine.addresses, mac: mine.mac, name: 'mine' },
    ])
    expect(await cluster.paths()).toEqual(expect.arrayContaining([...keysOf(kept), ...keysOf(mine)]))
    await ready(one)
    // The other has written back nothing yet: what is known of it stays, and its address is not given away.
    expect(one.agent.status().problems).toEqual([expect.stringContaining('nodes host-2 have not written back yet')])
    await one.parts.reconciler.audit()
    expect(hosts[0].kernel.text().split('\n')).toEqual(expect.arrayContaining(whole))
    expect(deletes(hosts[0])).toEqual([])
    const fresh = await attach(one, 'fresh')
    expect(fresh.addresses).not.toEqual(theirs.addresses)

    const second = await resync(two)
    expect(second.restored.map(({ id }) => id)).toEqual([theirs.id])
    await Promise.all([one, two].map((agent) => agent.until(() => agent.agent.status().problems.length === 0, 5_000)))
    await Promise.all([ready(one), ready(two)])
    expect(await cluster.paths()).toEqual(expect.arrayContaining(keysOf(theirs)))
    expect(await resync(two)).toMatchObject({ restored: [], discarded: [], left: [] })
    await one.detach({ endpointId: mine.id })
    expect(await cluster.held()).not.toContain(`endpoints/web/${mine.id}`)
  })

  it('brings back what the store has, and nothing of that before', async () => {
    await both()
    const past = await attach(one, 'past')
    await save()
    await one.detach({ endpointId: past.id })
    await attach(two, 'later')
    await seeMuch()
    await goBack()
    await Promise.all([holding(one), holding(two)])
    await one.parts.reconciler.audit()
    // It was detached here: an older store does not bring it back by itself.
    expect(one.links()).toEqual([])
    await resync(one)
    await one.until(() => one.links().some((link) => link.includes('ove')))
    expect(one.agent.status().localEndpointCount).toBe(1)
  })

  it('registers anew with a store that does not know the node', async () => {
    two = await start(hosts[1])
    await cluster.addNetwork('web')
    await save()
    one = await start(hosts[0])
    const mine = await attach(one, 'mine')
    await seeMuch()
    const whole = hosts[0].kernel.text()
    await goBack()
    await holding(one)
    expect((await resync(one)).restored.map(({ id }) => id)).toEqual([mine.id])
    await one.parts.reconciler.audit()
    expect(hosts[0].kernel.text()).toBe(whole)
    expect(await cluster.paths()).toEqual(expect.arrayContaining(['nodes/host-1', ...keysOf(mine)]))
    await one.detach({ endpointId: mine.id })
  })

  it('leaves what has no place any more, says so, and takes it down when told to', async () => {
    one = await start(hosts[0])
    await save()
    await cluster.addNetwork('web')
    const mine = await attach(one, 'mine')
    await seeMuch()
    const whole = hosts[0].kernel.text()
    await goBack()
    await holding(one)
    const { restored, left } = await resync(one)
    expect(restored).toEqual([])
    expect(left).toEqual([
      `endpoint ${mine.id} of network web (${mine.addresses[0]}): network web is not in the store; to give it up, run "overlayctl detach ${mine.id}" on its host, or resync with --discard`,
    ])
    await one.parts.reconciler.audit()
    expect(hosts[0].kernel.text()).toBe(whole)
    expect(one.agent.status()).toMatchObject({ state: 'HOLDING' })
    const again = await resync(one, true)
    expect(again.discarded.map(({ id }) => id)).toEqual([mine.id])
    expect(again.left).toEqual([])
    await ready(one)
    await one.until(() => one.links().length === 0)
    expect(one.parts.intents.open()).toEqual([])
  })

  it('leaves what has lost its address to another, and says to whom', async () => {
    one = await start(hosts[0])
    await cluster.addNetwork('web')
    await save()
    const mine = await attach(one, 'mine')
    await seeMuch()
    await goBack()
    await holding(one)
    const ip = mine.addresses[0] ?? ''
    // The other has seen no more than the store has: it does not hold.
    two = await start(hosts[1])
    const other = await two.attach('other', { addresses: [ip] })
    const { left } = await resync(one)
    expect(left).toEqual([
      expect.stringContaining(`addresses/web/${ip} is that of endpoint ${other.endpoint?.id} on node host-2 by now`),
    ])
    await two.detach({ endpointId: other.endpoint?.id ?? '' })
    expect((await resync(one)).restored.map(({ id }) => id)).toEqual([mine.id])
    await ready(one)
  })

  it('refuses where the store is another cluster’s, and writes nothing to it', async () => {
    one = await start(hosts[0])
    await cluster.addNetwork('web')
    await attach(one, 'mine')
    await etcd.stop()
    await rm(etcd.dataDirectory, { recursive: true })
    await etcd.restart()
    const wrong = await openCluster(etcd, cluster.prefix)
    await one.until(() => one.parts.guard.isForeign(), 10_000)
    await expect(resync(one)).rejects.toThrow(`that is no older state of this node's cluster`)
    expect(await wrong.paths()).toEqual(['cluster'])
    await wrong.close()
  })
})

describe('of an agent that was started with it', () => {
  async function startOld(wish: { resync?: boolean } = {}): Promise<Endpoint> {
    one = await start(hosts[0])
    await cluster.addNetwork('web')
    await save()
    const mine = await attach(one, 'mine')
    await seeMuch()
    await one.stop()
    await goBack()
    hosts[0].kernel.operations.length = 0
    one = createTestAgent(cluster, hosts[0], wish)
    agents = [one]
    one.agent.run().catch(() => undefined)
    return mine
  }

  it('writes back what it wrote down before, when asked', async () => {
    const mine = await startOld()
    const whole = hosts[0].kernel.text()
    await holding(one)
    const { restored, left } = await resync(one)
    expect([restored.map(({ id }) => id), left]).toEqual([[mine.id], []])
    await ready(one)
    expect(await cluster.paths()).toEqual(expect.arrayContaining(keysOf(mine)))
    expect(hosts[0].kernel.text()).toBe(whole)
    expect(deletes(hosts[0])).toEqual([])
    await one.stop()
    agents = []
    one = await start(hosts[0])
    expect(one.agent.status()).toMatchObject({ state: 'READY', localEndpointCount: 1 })
  })

  it('writes it back by itself with --resync', async () => {
    const mine = await startOld({ resync: true })
    await ready(one)
    expect(await cluster.paths()).toEqual(expect.arrayContaining(keysOf(mine)))
    expect(deletes(hosts[0])).toEqual([])
  })
})
