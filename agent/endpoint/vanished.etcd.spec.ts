import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { type AgentWish, createHost, removeLink, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { openCluster, type TestCluster } from '../testing/cluster.ts'
import { operationsText } from '../testing/text.ts'
import { verify } from '../verify.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  await cluster.addNetwork('web')
  host = createHost(1)
})
afterEach(async () => {
  await agent.stop()
  await cluster.close()
  host.remove()
})

const start = async (wish: AgentWish = {}) => {
  agent = await startAgent(cluster, host, wish)
}
const attach = async (name: string, request = {}) => {
  const { endpoint } = await agent.attach(name, request)
  if (!endpoint) throw new Error('nothing was attached')
  return endpoint
}
const count = () => cluster.store.count(cluster.store.keys.allEndpoints)
const problems = () => agent.agent.status().problems
const told = async (operations: number) => {
  await agent.parts.reconciler.audit()
  return operationsText(host.kernel.operations.slice(operations))
}

describe('a sandbox that is gone', () => {
  it('leaves its endpoint as it is for a while, and nobody tries to plug it in', async () => {
    await start()
    const { id, addresses } = await attach('c1')
    await attach('c2')
    const { length: before } = host.kernel.operations
    host.removeSandbox('c1')
    await agent.until(() => problems().length > 0)
    expect(problems()).toEqual([
      expect.stringMatching(
        `^endpoint web ${id}: its sandbox /run/netns/c1 is gone; its addresses are released in (60|59) s, unless it is attached again$`,
      ),
    ])
    expect(agent.agent.status()).toMatchObject({ state: 'READY', localEndpointCount: 2 })
    expect(await verify(agent.parts)).toMatchObject({
      deviations: [],
      awaited: [expect.stringContaining(`${id}: its sandbox /run/netns/c1 is gone; its addresses are released in `)],
    })
    expect(await told(before)).not.toContain('put')
    expect(await cluster.paths()).toContain(`addresses/web/${addresses[0]}`)
    expect(agent.links()).toHaveLength(3)
    await agent.detach({ endpointId: id })
    expect(problems()).toEqual([])
    expect((await verify(agent.parts)).awaited).toEqual([])
    expect(await count()).toBe(1)
  })

  it('is released when the time is over, as a detach would, and the journal says why', async () => {
    await start({ sandboxGrace: 1 })
    const { id, addresses } = await attach('c1', { name: 'db' })
    host.removeSandbox('c1')
    await agent.until(() => problems().length > 0)
    await agent.until(async () => (await count()) === 0)
    await agent.until(() => problems().length === 0 && host.kernel.items.size === 0)
    expect(await cluster.paths()).toContain(`released/web/${addresses[0]}`)
    const { entries } = await cluster.store.list(cluster.store.keys.allHistory)
    expect(entries.map(({ value }) => value)).toMatchObject([{ endpointId: id, name: 'db', end: 'VANISHED' }])
    expect([...agent.parts.sync.followed()]).toEqual([])
  })

  it('is released at once where no time is given, with many at once', async () => {
    await start({ sandboxGrace: 0 })
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const names = Array.from({ length: 60 }, (_, n) => `c${n}`)
    await Promise.all(names.map((name, n) => attach(name, { network: n % 2 === 0 ? 'web' : 'db' })))
    await attach('stays')
    const { length: before } = host.kernel.operations
    for (const name of names) host.removeSandbox(name)
    await agent.until(async () => (await count()) === 1, 10_000)
    await agent.until(() => agent.links().length === 3 && agent.parts.intents.open().length === 0)
    expect(await told(before)).not.toContain('put')
  })

  it('is noticed by the next agent, whose time begins anew', async () => {
    await start()
    await attach('c1')
    await agent.kill()
    host.removeSandbox('c1')
    await start()
    expect(problems()).toMatchObject([expect.stringContaining('released in 60 s')])
    await agent.stop()
    await start({ sandboxGrace: 0 })
    await agent.until(async () => (await count()) === 0)
  })

  it('stays while the store is not believed, and says so', async () => {
    await start({ sandboxGrace: 0 })
    await attach('c1')
    agent.parts.guard.set('history', 'it went back')
    host.removeSandbox('c1')
    await agent.until(() => problems().length > 0)
    expect(problems()[0]).toContain('are released when the store is in order again, unless')
    await agent.parts.vanished.releaseDue()
    expect(agent.parts.intents.open()).toEqual([])
    agent.parts.guard.set('history', undefined)
    await agent.until(async () => (await count()) === 0)
  })

  it('while it is attached is an error, and leaves nothing', async () => {
    await start()
    host.makeSandbox('c1')
    vi.spyOn(agent.parts.claimStore, 'commit').mockImplementation(async (transaction) => {
      host.removeSandbox('c1')
      return agent.store.commit(transaction)
    })
    await expect(agent.attach('c1')).rejects.toMatchObject({
      code: 'not_found',
      message: 'the sandbox is gone: there is no network namespace /run/netns/c1 any more',
    })
    expect(await count()).toBe(0)
    expect(host.kernel.items.size).toBe(0)
  })
})

describe('a sandbox that is not gone', () => {
  it.each<[string, (id: string) => void]>([
    ['whose interface somebody deleted', (id) => removeLink(host.kernel, `ove${id.slice(0, 12)}`)],
    ['whose path is gone', () => host.kernel.sandboxes.delete('/run/netns/c1')],
    ['whose path leads to another', () => host.makeSandbox('c1')],
    [
      'that cannot be looked at',
      (id) => {
        removeLink(host.kernel, `ove${id.slice(0, 12)}`)
        host.kernel.netnsIdentity = () => {
          throw new OverlayError('unavailable', 'too many open files')
        }
      },
    ],
  ])('%s stays, and its endpoint', async (_, happen) => {
    await start({ sandboxGrace: 0 })
    const { id } = await attach('c1')
    happen(id)
    await agent.parts.reconciler.audit()
    await agent.parts.vanished.releaseDue()
    expect(problems()).toEqual([])
    expect(await count()).toBe(1)
    expect(agent.links()).toHaveLength(3)
  })

  it('any more, and then is there again, is plugged in again', async () => {
    await start()
    const { id } = await attach('c1')
    const cookie = host.kernel.sandboxes.get('/run/netns/c1') ?? ''
    host.removeSandbox('c1')
    await agent.until(() => problems().length > 0)
    // As when its path is bound anew.
    host.kernel.sandboxes.set('/run/netns/c1', cookie)
    host.kernel.change({ ours: true })
    await agent.until(() => agent.links().includes(`link ove${id.slice(0, 12)}`))
    expect(problems()).toEqual([])
  })
})

describe('the last look before the release', () => {
  it('finds a sandbox that is there again, and plugs it in', async () => {
    await start({ sandboxGrace: 1 })
    const { id } = await attach('c1')
    const cookie = host.kernel.sandboxes.get('/run/netns/c1') ?? ''
    host.removeSandbox('c1')
    await agent.until(() => problems().length > 0)
    // Nobody tells of that.
    host.kernel.sandboxes.set('/run/netns/c1', cookie)
    await agent.until(() => agent.links().includes(`link ove${id.slice(0, 12)}`))
    expect(problems()).toEqual([])
    expect(await count()).toBe(1)
  })
})

describe('after a reboot', () => {
  it('all that was attached is released once, many at once, and new ones get their names', async () => {
    await start()
    const names = Array.from({ length: 40 }, (_, n) => `c${n}`)
    for (const name of names) await attach(name, { name })
    // Or else its session has to run out first.
    await agent.stop()
    host.kernel.items.clear()
    for (const name of names) host.makeSandbox(name)
    await start({ bootId: 'another-boot' })
    // At once: what is of the former boot goes first.
    await Promise.all(names.slice(0, 5).map((name) => attach(name, { name })))
    expect(await count()).toBe(5)
    const { entries } = await cluster.store.list(cluster.store.keys.allHistory)
    expect(entries.filter(({ value }) => value.end === 'VANISHED')).toHaveLength(40)
  })

  it('is made up for when the store is away at that moment', async () => {
    await start()
    await attach('c1')
    await agent.stop()
    host.kernel.items.clear()
    let isAway = true
    await start({
      bootId: 'another-boot',
      between: {
        kernel: (kernel) => kernel,
        store: (store) => ({
          ...store,
          commit: async (transaction) => {
            const isRelease = transaction.writes.some(
              (write) => write.do === 'delete' && write.path.includes('placements/'),
            )
            if (isAway && isRelease) throw new OverlayError('unavailable', 'away')
            return store.commit(transaction)
          },
        }),
      },
    })
    await agent.until(() => agent.parts.intents.open().length === 1)
    expect(agent.parts.intents.open()).toMatchObject([{ kind: 'release', end: 'VANISHED' }])
    isAway = false
    await agent.until(async () => (await count()) === 0, 10_000)
    const { entries } = await cluster.store.list(cluster.store.keys.allHistory)
    expect(entries.map(({ value }) => value.end)).toEqual(['VANISHED'])
  })
})
