import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseMac } from '../../lib/mac.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { openStateDir } from '../node/state-dir.ts'
import { createHost, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { freeze, openCluster, type TestCluster } from '../testing/cluster.ts'
import { idOf } from '../testing/views.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent
let before: readonly string[]

const callTimeout = 400

beforeEach(async () => {
  etcd = await startEtcd()
  cluster = await openCluster(etcd)
  host = createHost(1)
  agent = await startAgent(cluster, host, { callTimeout })
  await cluster.addNetwork('web')
  before = await cluster.held()
})
afterEach(async () => {
  etcd.thaw()
  await agent.stop()
  await cluster.close()
  await etcd.close()
  host.remove()
})

const left = async () => (await cluster.held()).filter((path) => !before.includes(path))
const isSettled = () => agent.parts.intents.open().length === 0

describe('with the store away', () => {
  it('an attach is refused at once, and what is there stays', async () => {
    await agent.attach('c1')
    await etcd.stop()
    await agent.until(() => agent.agent.status().state === 'DISCONNECTED')
    const started = performance.now()
    await expect(agent.attach('c2')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(
        /^the store \(http:.*\) cannot be reached, so no address can be claimed; what is attached goes on: /,
      ),
    })
    expect(performance.now() - started).toBeLessThan(100)
    // Again and again the same; and the audit takes nothing away.
    await agent.parts.reconciler.audit()
    expect((await agent.attach('c1').catch((error: unknown) => error)) as object).toMatchObject({ code: 'unavailable' })
    expect(agent.links()).toHaveLength(3)
    await etcd.restart()
    await agent.until(() => agent.agent.status().state === 'READY', 10_000)
    await agent.attach('c2')
    expect(agent.links()).toHaveLength(4)
  })

  it('a detach takes the interface down, and the release follows', async () => {
    const { endpoint } = await agent.attach('c1')
    const [id = '', address = ''] = [endpoint?.id, ...(endpoint?.addresses ?? [])]
    await etcd.stop()
    await agent.until(() => agent.agent.status().state === 'DISCONNECTED')
    const answer = await agent.detach({ endpointId: id })
    expect(answer.endpoint).toEqual(endpoint)
    expect(answer.warning).toContain(
      'the interface is gone, but its addresses are only released when the store answers',
    )
    expect([...agent.kernel.items.keys()]).toEqual([])
    expect(agent.agent.status().openIntents).toBe(1)
    expect(openStateDir(host.directory).readIntents()).toMatchObject([{ kind: 'release', endpointId: id }])
    await etcd.restart()
    await agent.until(isSettled, 10_000)
    expect(await left()).toEqual([])
    expect(await cluster.paths()).toContain(`released/web/${address}`)
    expect(openStateDir(host.directory).readIntents()).toEqual([])
    expect([...agent.parts.sync.followed()]).toEqual([])
  })

  it('a release that was left open by a killed agent is done by the next one', async () => {
    const { endpoint } = await agent.attach('c1')
    await agent.attach('c2')
    await etcd.stop()
    await agent.until(() => agent.agent.status().state === 'DISCONNECTED')
    await agent.detach({ endpointId: endpoint?.id ?? '' })
    await agent.kill()
    await etcd.restart()
    agent = await startAgent(cluster, host, { callTimeout })
    await agent.until(isSettled, 10_000)
    expect((await left()).filter((path) => path.startsWith('endpoints/'))).toHaveLength(1)
    expect(agent.links()).toHaveLength(3)
  })
})

describe('with the store frozen', () => {
  it('claims are refused in time, and nothing of them is left after it thaws', async () => {
    await agent.attach('c0')
    const paths = await cluster.held()
    for (let round = 0; round < 3; round++) {
      await freeze(etcd)
      const started = performance.now()
      const results = await Promise.allSettled(Array.from({ length: 5 }, (_, n) => agent.attach(`c${round}-${n}`)))
      expect(performance.now() - started).toBeLessThan(3_000)
      for (const result of results)
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
      expect(agent.parts.intents.open().length).toBeGreaterThan(0)
      expect(agent.links()).toHaveLength(3)
      etcd.thaw()
      await agent.until(() => isSettled() && agent.agent.status().state === 'READY', 10_000)
      expect(await cluster.held()).toEqual(paths)
      expect(agent.links()).toHaveLength(3)
    }
  })

  it('a sandbox whose claim is open is settled before it is attached again', async () => {
    await agent.attach('c0')
    await freeze(etcd)
    await expect(agent.attach('c1')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('if the claim was made after all, it is undone as soon as the store answers'),
    })
    etcd.thaw()
    await agent.until(() => agent.agent.status().state === 'READY', 10_000)
    await agent.attach('c1')
    expect(agent.parts.intents.open()).toEqual([])
    expect(await cluster.store.count(cluster.store.keys.endpoints('web'))).toBe(2)
  })
})

describe('a start with open intents', () => {
  it('undoes a claim that came through, and does a release, before anything of them is plugged in', async () => {
    const claimed = (await agent.attach('c1')).endpoint
    const released = (await agent.attach('c2')).endpoint
    await agent.attach('c3')
    await agent.kill()
    const stateDir = openStateDir(host.directory)
    const intent = { network: 'web', bootId: 'boot-of-1' }
    stateDir.writeIntent({ ...intent, kind: 'claim', endpointId: claimed?.id ?? '', cookie: '11' })
    stateDir.writeIntent({ ...intent, kind: 'release', endpointId: released?.id ?? '', cookie: '12' })
    // Of a claim that never came through, in a network that is not here.
    stateDir.writeIntent({ ...intent, network: 'gone', kind: 'claim', endpointId: idOf('ff'), cookie: '14' })
    agent = await startAgent(cluster, host, { callTimeout })
    await agent.until(isSettled, 10_000)
    expect((await left()).filter((path) => path.startsWith('endpoints/'))).toHaveLength(1)
    expect(agent.links()).toHaveLength(3)
    expect(stateDir.readIntents()).toEqual([])
  })

  it('on hold an interface goes before its addresses are released', async () => {
    const { endpoint } = await agent.attach('c1')
    await agent.attach('c2')
    await agent.kill()
    const stateDir = openStateDir(host.directory)
    const intent = { kind: 'release', network: 'web', bootId: 'boot-of-1', cookie: '11' } as const
    stateDir.writeIntent({ ...intent, endpointId: endpoint?.id ?? '' })
    // An endpoint that only the kernel has: the agent holds.
    const alias = `overlay/${cluster.uid}/web/${idOf('ab')}`
    const mac = parseMac('02:00:00:00:00:ab')
    const orphan = { kind: 'veth', name: 'oveab0000000000', mac, mtu: 1400, bridge: 'ovbr7', alias } as const
    agent.kernel.items.set(`link ${orphan.name}`, orphan)
    agent = await startAgent(cluster, host, { callTimeout })
    expect(agent.agent.status().state).toBe('HOLDING')
    await agent.until(isSettled, 10_000)
    expect(agent.links()).toHaveLength(4)
    expect(agent.links()).not.toContain(`link ove${endpoint?.id.slice(0, 12)}`)
  })
})
