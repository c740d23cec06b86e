import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { remove, type Store } from '../../store/store.ts'
import { createHost, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { nodeRecord, openCluster, type TestCluster } from '../testing/cluster.ts'
import { operationsText } from '../testing/text.ts'
import { register } from './registration.ts'
import { openStateDir } from './state-dir.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let other: TestHost
let agents: TestAgent[]
/** Ranges whose news the agents started from then on wait for. */
let gates: Map<string, Promise<void>>
/** How many interfaces the host had each time when its node was registered. */
let linksAtRegistration: number[]

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  await cluster.addNetwork('web')
  host = createHost(1)
  other = createHost(2)
  agents = []
  gates = new Map()
  linksAtRegistration = []
})
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()))
  for (const each of [host, other]) each.remove()
  await cluster.close()
})

async function start(which: TestHost): Promise<TestAgent> {
  const between = which === host ? { between: { store: watched, kernel: <T>(kernel: T) => kernel } } : {}
  const agent = await startAgent(cluster, which, between)
  agents.push(agent)
  return agent
}

function watched(store: Store): Store {
  return {
    ...store,
    async commit(transaction) {
      const { path } = store.keys.node('host-1')
      if (transaction.writes.some((write) => write.do === 'put' && write.path === path))
        linksAtRegistration.push([...host.kernel.items.keys()].filter((id) => id.startsWith('link ove')).length)
      return store.commit(transaction)
    },
    async *follow(range, signal) {
      for await (const update of store.follow(range, signal)) {
        await gates.get(range.prefix)
        yield update
      }
    },
  }
}

/** The news of a range come only when it is opened. */
function gate(prefix: string): () => void {
  let open = () => {}
  gates.set(
    prefix,
    new Promise((resolve) => {
      open = resolve
    }),
  )
  return () => open()
}

/** As the janitor does: the node's record first, then all that it had. */
async function evict(): Promise<void> {
  const { store } = cluster
  const { keys } = store
  await store.commit({ compares: [], writes: [remove(keys.node('host-1'))] })
  for (const { path } of (await store.list(keys.placements('host-1'))).entries) {
    const [network = '', id = ''] = path.slice(keys.placements('host-1').prefix.length).split('/')
    const endpoint = await store.get(keys.endpoint(network, id))
    const { addresses = [], mac = '' } = endpoint?.value ?? {}
    await store.commit({
      compares: [],
      writes: [
        remove(keys.endpoint(network, id)),
        remove(keys.mac(network, mac as never)),
        remove({ path, type: null }),
        ...addresses.map((address) => remove(keys.address(network, address as never))),
      ],
    })
  }
}

async function registerOnly(): Promise<void> {
  const { nodeUid } = openStateDir(host.directory)
  await register(cluster.store, { ...nodeRecord(1), uid: nodeUid })
}

const isReady = (agent: TestAgent) => agent.agent.status().state === 'READY'
const interfaces = () => [...host.kernel.items.keys()].filter((id) => id.startsWith('link ove'))

it('takes all down that it had before it registers anew, whatever it knows of its endpoints', async () => {
  const agent = await start(host)
  const addresses = (await agent.attach('c1')).endpoint?.addresses ?? []
  await agent.attach('c2')
  const second = await start(other)
  const before = agent.parts.registration().generation()
  const open = gate(cluster.store.keys.endpoints('web').prefix)
  await evict()
  // They may be another's at once.
  await second.attach('d1', { addresses })
  await agent.until(() => (agent.parts.view.self.generation ?? 0) > before)
  expect(new Set(linksAtRegistration)).toEqual(new Set([0]))
  expect(interfaces()).toEqual([])
  open()
  await agent.until(() => isReady(agent) && [...agent.parts.view.localEndpoints()].length === 0)
  await agent.attach('c3')
  expect(interfaces()).toHaveLength(1)
  expect(host.kernel.items.has(`neighbour ovbr7 ${addresses[0]}`)).toBe(true)
})

it('that hears first of its endpoints’ end holds, and then believes it', async () => {
  const agent = await start(host)
  await agent.attach('c1')
  const open = gate(cluster.store.keys.nodes.prefix)
  await evict()
  await agent.until(() => agent.agent.status().state === 'HOLDING')
  expect(interfaces()).toHaveLength(1)
  open()
  await agent.until(() => isReady(agent) && interfaces().length === 0)
  expect(new Set(linksAtRegistration)).toEqual(new Set([0]))
})

it('registers only when all is down', async () => {
  const agent = await start(host)
  await agent.attach('c1')
  let failures = 0
  host.kernel.failure = ({ do: what, item }) => {
    if (what !== 'delete' || item.kind !== 'veth') return undefined
    return failures++ < 3 ? new OverlayError('unavailable', 'busy') : undefined
  }
  const before = agent.parts.registration().generation()
  await evict()
  const text = 'node host-1 was removed from the cluster, and is not registered anew yet, because busy'
  await agent.until(() => agent.agent.status().problems.includes(text))
  await agent.until(() => (agent.parts.view.self.generation ?? 0) > before, 15_000)
  expect(agent.agent.status().problems).toEqual([])
  expect(failures).toBeGreaterThan(3)
  expect(new Set(linksAtRegistration)).toEqual(new Set([0]))
})

it.each([
  ['', false],
  [' and has been registered since, by a run that died at once,', true],
])('that was away meanwhile%s takes all down before it adds what is new', async (_, again) => {
  const first = await start(host)
  const addresses = (await first.attach('c1')).endpoint?.addresses ?? []
  await first.stop()
  await evict()
  const second = await start(other)
  await second.attach('d1', { addresses })
  await cluster.changeNetwork('web', (record) => ({ ...record, eager: true }))
  const { length } = host.kernel.operations
  const registrations = linksAtRegistration.length
  if (again) await registerOnly()
  const agent = await start(host)
  expect(isReady(agent)).toBe(true)
  if (!again) expect(linksAtRegistration.slice(registrations)).toEqual([0])
  expect(interfaces()).toEqual([])
  const told = operationsText(host.kernel.operations.slice(length)).split('\n')
  expect(told[0]).toMatch(/^delete veth /)
  expect(told.findIndex((line) => line.startsWith(`put neighbour ${addresses[0]} `))).toBeGreaterThan(0)
})
