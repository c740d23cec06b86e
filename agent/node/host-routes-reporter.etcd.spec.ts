import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { parseCidr } from '../../lib/ip.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { remove } from '../../store/store.ts'
import { createGuard } from '../guard.ts'
import type { HostRoute } from '../kernel/kernel.ts'
import { createHost, startAgent } from '../testing/agent.ts'
import { nodeRecord, openCluster, silent, type TestCluster } from '../testing/cluster.ts'
import { reportOf } from './host-routes.ts'
import { type HostRoutesReporter, reportHostRoutes } from './host-routes-reporter.ts'
import { evicted, type Registration, register } from './registration.ts'

let etcd: TestEtcd
let cluster: TestCluster
let stop: AbortController
/** What the host has now. */
let routes: HostRoute[]
let looks: number
let isBroken = false
let registration: Registration | undefined
const guard = createGuard(silent, () => undefined)

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  stop = new AbortController()
  routes = [route('10.0.0.0/16')]
  looks = 0
  registration = await register(cluster.store, nodeRecord(1))
})
afterEach(async () => {
  stop.abort()
  await cluster.close()
})

function route(cidr: string): HostRoute {
  return { kind: 'route', cidr: parseCidr(cidr), via: 'eth0' }
}

function start(): HostRoutesReporter {
  return reportHostRoutes({
    store: cluster.connect(500),
    node: 'host-1',
    registration: () => {
      if (registration) return registration
      throw evicted('host-1')
    },
    guard,
    look: async () => {
      looks++
      if (isBroken) throw new Error('no answer from the kernel')
      return reportOf({ routes, truncated: false }, [])
    },
    signal: stop.signal,
    log: silent,
  })
}

const stored = () => cluster.store.get(cluster.store.keys.hostRoutesOf('host-1'))
const told = async () => (await stored())?.value.routes.map(({ cidr }) => cidr)
const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 10 })
/** Tells of a change; resolves when the host was looked at `times` more times, and so `times - 1` attempts are over. */
async function lookedAt({ changed }: HostRoutesReporter, times = 2) {
  for (let time = 0; time < times; time++) {
    const before = looks
    changed()
    await until(() => looks > before)
  }
}

it('writes what there is, and again only what is new', async () => {
  const reporter = start()
  await reporter.attempted
  const first = await stored()
  expect(first?.value).toMatchObject({
    routes: [{ kind: 'ROUTE', cidr: '10.0.0.0/16', via: 'eth0' }],
    truncated: false,
  })
  expect(first?.value.updatedAt).toMatch(/^20.*Z$/)
  await lookedAt(reporter)
  expect((await stored())?.modRevision).toBe(first?.modRevision)
  routes.push(route('10.7.0.0/16'))
  reporter.changed()
  await until(async () => (await told())?.length === 2)
  routes = []
  reporter.changed()
  await until(async () => (await told())?.length === 0)
})

it('of many changes at once makes few looks', async () => {
  const reporter = start()
  await reporter.attempted
  for (let n = 0; n < 50; n++) {
    routes.push(route(`10.${n + 1}.0.0/16`))
    reporter.changed()
  }
  await until(async () => (await told())?.length === 51)
  expect(looks).toBeLessThanOrEqual(3)
})

it('writes it again when somebody removed it', async () => {
  const reporter = start()
  await reporter.attempted
  await cluster.store.commit({ compares: [], writes: [remove(cluster.store.keys.hostRoutesOf('host-1'))] })
  reporter.changed()
  await until(async () => (await stored()) !== undefined)
})

it('of an evicted node writes nothing, and all of one that has registered anew', async () => {
  const { store } = cluster
  const reporter = start()
  await reporter.attempted
  await store.commit({
    compares: [],
    writes: [remove(store.keys.node('host-1')), remove(store.keys.hostRoutesOf('host-1'))],
  })
  routes.push(route('10.7.0.0/16'))
  // It does not know yet.
  await lookedAt(reporter)
  expect(await stored()).toBeUndefined()
  registration = undefined
  await lookedAt(reporter)
  expect(await stored()).toBeUndefined()
  registration = await register(store, nodeRecord(1))
  reporter.changed()
  await until(async () => (await told())?.length === 2)
})

it('does not write to a store that is in doubt', async () => {
  guard.set('history', 'the store has another history than before')
  const reporter = start()
  await reporter.attempted
  expect(await stored()).toBeUndefined()
  guard.set('history', undefined)
  await until(async () => (await stored()) !== undefined)
})

it('goes on when the store is back, and when the host could not be looked at', async () => {
  const reporter = start()
  await reporter.attempted
  etcd.freeze()
  routes.push(route('10.7.0.0/16'))
  try {
    await lookedAt(reporter)
  } finally {
    etcd.thaw()
  }
  await until(async () => (await told())?.length === 2)
  isBroken = true
  await lookedAt(reporter, 1)
  isBroken = false
  routes.push(route('10.8.0.0/16'))
  await until(async () => (await told())?.length === 3)
})

it('a whole agent reports before it is ready, and again when it was evicted', async () => {
  const host = createHost(2)
  host.kernel.routes = [route('10.0.0.0/16')]
  const agent = await startAgent(cluster, host)
  try {
    const { store } = cluster
    const key = store.keys.hostRoutesOf('host-2')
    const first = await store.get(key)
    expect(first?.value.routes.map(({ cidr }) => cidr)).toEqual(['10.0.0.0/16'])
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-2')), remove(key)] })
    await until(async () => (await store.get(key)) !== undefined)
    const node = await store.get(store.keys.node('host-2'))
    expect((await store.get(key))?.createRevision).toBeGreaterThan(node?.createRevision ?? Number.POSITIVE_INFINITY)
  } finally {
    await agent.stop()
    host.remove()
  }
})
