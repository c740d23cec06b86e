/** What an agent does whose certificate is worth nothing any more (docs/adr/0019-a-revoked-node-is-left-as-it-is.md). */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { RevokedError, remove, type Store } from '../../store/store.ts'
import { createHost, createTestAgent, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { openCluster, type TestCluster } from '../testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent
/** Calls that were denied. */
let denials = 0
let isRevoked = false

/** Etcd goes on with the watches that are open, and answers nothing else. */
function denying(store: Store): Store {
  const unlessRevoked = async <T>(call: () => Promise<T>): Promise<T> => {
    if (!isRevoked) return call()
    denials++
    throw new RevokedError()
  }
  return {
    ...store,
    get: (key) => unlessRevoked(() => store.get(key)),
    list: (range, options) => unlessRevoked(() => store.list(range, options)),
    paths: (range) => unlessRevoked(() => store.paths(range)),
    probe: () => unlessRevoked(() => store.probe()),
    commit: (transaction) => unlessRevoked(() => store.commit(transaction)),
    grantLease: (ttl, options) => unlessRevoked(() => store.grantLease(ttl, options)),
  }
}
const wish = { between: { store: denying, kernel: <K>(kernel: K) => kernel } }

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  isRevoked = false
  cluster = await openCluster(etcd)
  host = createHost(1)
  agent = await startAgent(cluster, host, wish)
  await cluster.addNetwork('web')
  await agent.attach('c1')
})
afterEach(async () => {
  await agent.kill()
  await cluster.close()
  host.remove()
})

it('started again it takes nothing down, says what to do, and asks seldom', async () => {
  const before = host.kernel.text()
  await agent.kill()
  isRevoked = true
  denials = 0
  agent = createTestAgent(cluster, host, wish)
  agent.agent.run().catch(() => undefined)
  await agent.until(() => agent.agent.status().reason.includes('was revoked'))
  expect(agent.agent.status()).toMatchObject({ state: 'SYNCING' })
  expect(agent.agent.status().reason).toContain('overlayctl cluster join')
  expect(host.kernel.text()).toBe(before)
  // The cluster's record and the revision, once.
  expect(denials).toBeLessThanOrEqual(2)
})

it('it sees its record go: what it had is taken down, as after each eviction, and it does not get in again', async () => {
  isRevoked = true
  const { store } = cluster
  await store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
  await agent.until(() => agent.links().length === 0)
  const problem = () => agent.agent.status().problems.find((text) => text.includes('was removed from the cluster'))
  await agent.until(() => problem()?.includes('was revoked') ?? false)
})
