/** What the specs of attach and detach begin with: one agent, and a network `web`. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { type AgentWish, createHost, startAgent, type TestAgent, type TestHost } from './agent.ts'
import { openCluster, type TestCluster } from './cluster.ts'

export interface OneAgent {
  readonly cluster: TestCluster
  readonly agent: TestAgent
  readonly host: TestHost
  /** What is held in the store with nothing attached. */
  readonly before: readonly string[]
}

/** Registers what makes them anew before each test; `begin` is given what the test has. */
export function withOneAgent(begin: (one: OneAgent) => void, wish: AgentWish = {}): void {
  let etcd: TestEtcd
  let end = async () => {}
  beforeAll(async () => {
    etcd = await startEtcd()
  })
  afterAll(() => etcd.close())
  beforeEach(async () => {
    const cluster = await openCluster(etcd)
    const host = createHost(1)
    const agent = await startAgent(cluster, host, wish)
    await cluster.addNetwork('web')
    begin({ cluster, agent, host, before: await cluster.held() })
    end = async () => {
      await agent.stop()
      await cluster.close()
      host.remove()
    }
  })
  afterEach(() => end())
}

/** Nothing is left in store or kernel but resting addresses; nothing is open. */
export async function expectNothingLeft({ cluster, agent, before }: Omit<OneAgent, 'host'>): Promise<void> {
  await agent.until(async () => (await cluster.held()).length === before.length && agent.kernel.items.size === 0)
  expect(await cluster.held()).toEqual(before)
  expect(agent.parts.intents.open()).toEqual([])
  expect([...agent.parts.sync.followed()]).toEqual([])
}
