import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, remove } from '../../store/store.ts'
import { createGuard } from '../guard.ts'
import { nodeRecord, openCluster, silent, type TestCluster } from '../testing/cluster.ts'
import { enterCluster, type Membership } from './membership.ts'
import { establishSession } from './session.ts'

let etcd: TestEtcd
let cluster: TestCluster
let stops: AbortController[] = []

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
})
afterEach(async () => {
  for (const stop of stops) stop.abort()
  stops = []
  await cluster.close()
})

function enter(node = nodeRecord(1), store = cluster.connect()) {
  const stop = new AbortController()
  stops.push(stop)
  const guard = createGuard(silent, () => undefined)
  const waits: string[] = []
  const onRegisteredAnew = vi.fn()
  const onEvicted = vi.fn(() => Promise.resolve())
  const entered: Promise<Membership> = enterCluster({
    store,
    node,
    sessionTtl: 5,
    guard,
    signal: stop.signal,
    log: silent,
    onEvicted,
    onRegisteredAnew,
    onWaiting: (why) => waits.push(why.message),
  })
  return { entered, stop, guard, onEvicted, onRegisteredAnew, waits }
}

const session = () => cluster.store.get(cluster.store.keys.session('host-1'))
const nodeEntry = () => cluster.store.get(cluster.store.keys.node('host-1'))

describe('enterCluster', () => {
  it('opens the session and registers; when it stops, it closes the session', async () => {
    const { entered, stop } = enter()
    const membership = await entered
    expect((await session())?.value).toMatchObject({ uid: 'uid-of-1', bootId: 'boot-of-1' })
    expect(membership.generation()).toBe((await nodeEntry())?.createRevision)
    stop.abort()
    await membership.left()
    expect(await session()).toBeUndefined()
    expect(await nodeEntry()).toBeDefined()
  })

  it('a restarted agent takes over at once', async () => {
    const first = await enter().entered
    const second = await enter().entered
    expect(second.generation()).toBe(first.generation())
  })

  it('a rebooted host waits until its former session has run out', async () => {
    const lease = await cluster.store.grantLease(30)
    await establishSession(cluster.store, { node: 'host-1', uid: 'uid-of-1', bootId: 'boot-0' }, lease)
    const { entered } = enter()
    const first = await Promise.race([entered.then(() => 'entered'), new Promise((resolve) => setImmediate(resolve))])
    expect(first).not.toBe('entered')
    await lease.revoke()
    await entered
    expect((await session())?.value.bootId).toBe('boot-of-1')
  })

  it.each([
    ['the same name', { ...nodeRecord(1), uid: 'another' }],
    ['the same VTEP address', { ...nodeRecord(2), vtepAddress: '192.0.2.1' }],
  ])('a second host with %s is refused, and leaves no session', async (_, node) => {
    await enter().entered
    const before = await session()
    await expect(enter(node).entered).rejects.toMatchObject({ code: 'already_exists' })
    expect((await session())?.modRevision).toBe(before?.modRevision)
    expect(await cluster.store.get(cluster.store.keys.session('host-2'))).toBeUndefined()
  })

  it('a name whose host is away is refused by its record', async () => {
    const { entered, stop } = enter()
    const membership = await entered
    stop.abort()
    await membership.left()
    await expect(enter({ ...nodeRecord(1), uid: 'another' }).entered).rejects.toMatchObject({
      message: expect.stringContaining('node name "host-1" belongs to another host (VTEP 192.0.2.1)'),
    })
    expect(await session()).toBeUndefined()
  })

  it('gives up when it is stopped while it waits', async () => {
    const lease = await cluster.store.grantLease(30)
    await establishSession(cluster.store, { node: 'host-1', uid: 'uid-of-1', bootId: 'boot-0' }, lease)
    const { entered, stop } = enter()
    const failed = expect(entered).rejects.toMatchObject({ code: 'unavailable' })
    stop.abort()
    await failed
  })
})

describe('eviction', () => {
  it('is seen; once the former endpoints are released, the node registers anew', async () => {
    const { entered, onRegisteredAnew } = enter()
    const membership = await entered
    const before = membership.registration()
    const generation = before.generation()
    const { store } = cluster
    const placement = store.keys.placement('host-1', 'web', 'e1')
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-1')), put(placement, null)] })
    membership.ownNodeSeen(undefined)
    expect(membership.generation()).toBeUndefined()
    expect(() => membership.registration()).toThrow('node host-1 was removed from the cluster')
    membership.ownNodeSeen(undefined)
    await store.commit({ compares: [], writes: [remove(placement)] })
    await vi.waitUntil(() => onRegisteredAnew.mock.calls.length > 0, { timeout: 5_000, interval: 5 })
    expect(membership.generation()).toBeGreaterThan(generation)
    expect(onRegisteredAnew).toHaveBeenCalledTimes(1)
    expect((await session())?.value.uid).toBe('uid-of-1')
    // News of the old record that come late change nothing.
    await expect(before.fence()).rejects.toMatchObject({ code: 'failed_precondition' })
    expect(membership.generation()).toBe((await nodeEntry())?.createRevision)
  })

  it('is also seen when only the record that took its place is', async () => {
    const { entered, onRegisteredAnew } = enter()
    const membership = await entered
    const { store } = cluster
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
    await store.commit({ compares: [], writes: [put(store.keys.node('host-1'), { ...nodeRecord(1), uid: 'another' })] })
    membership.ownNodeSeen(await nodeEntry())
    expect(() => membership.registration()).toThrow('node host-1 was removed from the cluster')
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
    expect(onRegisteredAnew).not.toHaveBeenCalled()
  })

  it('takes down what the node had before it registers anew, and waits for that', async () => {
    const { entered, onEvicted, onRegisteredAnew, waits } = enter()
    const membership = await entered
    const { store } = cluster
    let isDown = false
    onEvicted.mockImplementation(async () => {
      expect(await nodeEntry()).toBeUndefined()
      if (!isDown) throw new OverlayError('internal', 'the kernel does not want to')
    })
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
    membership.ownNodeSeen(undefined)
    await vi.waitUntil(() => waits.length > 0, { timeout: 5_000, interval: 5 })
    expect(waits).toEqual(['the kernel does not want to'])
    expect(await nodeEntry()).toBeUndefined()
    isDown = true
    await vi.waitUntil(() => onRegisteredAnew.mock.calls.length > 0, { timeout: 5_000, interval: 5 })
    expect(onRegisteredAnew).toHaveBeenCalledWith((await nodeEntry())?.createRevision)
  })

  it('does not end the agent when its VTEP address is another’s by then: it waits, naming the other', async () => {
    const { entered, onRegisteredAnew, waits } = enter()
    const membership = await entered
    const { store } = cluster
    const twin = { ...nodeRecord(2), vtepAddress: '192.0.2.1' }
    await store.commit({
      compares: [],
      writes: [remove(store.keys.node('host-1')), put(store.keys.node('host-2'), twin)],
    })
    membership.ownNodeSeen(undefined)
    await vi.waitUntil(() => waits.length > 0, { timeout: 5_000, interval: 5 })
    expect(waits[0]).toContain('VTEP address 192.0.2.1 is already that of node host-2')
    // It has its own by now: that is what the node registers with.
    await membership.change({ vtepAddress: '192.0.2.11', underlayMtu: 1400 })
    await vi.waitUntil(() => onRegisteredAnew.mock.calls.length > 0, { timeout: 5_000, interval: 5 })
    expect((await nodeEntry())?.value).toMatchObject({ vtepAddress: '192.0.2.11', underlayMtu: 1400 })
  })

  it('registers with the VTEP address that the node has by then', async () => {
    const store = cluster.connect()
    const { entered, onRegisteredAnew } = enter(nodeRecord(1), store)
    const membership = await entered
    const commit = store.commit.bind(store)
    vi.spyOn(store, 'commit').mockImplementationOnce(async (transaction) => {
      const outcome = await commit(transaction)
      await membership.change({ vtepAddress: '192.0.2.11', underlayMtu: 1400 })
      return outcome
    })
    await cluster.store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
    membership.ownNodeSeen(undefined)
    await vi.waitUntil(() => onRegisteredAnew.mock.calls.length > 0, { timeout: 5_000, interval: 5 })
    expect((await nodeEntry())?.value).toMatchObject({ vtepAddress: '192.0.2.11', underlayMtu: 1400 })
  })

  it('another VTEP address is not written to a store that is in doubt', async () => {
    const { entered, guard } = enter()
    const membership = await entered
    guard.set('history', 'the store has another history than before')
    const change = { vtepAddress: '192.0.2.11', underlayMtu: 1400 }
    await expect(membership.change(change)).rejects.toMatchObject({ code: 'unavailable' })
    expect((await nodeEntry())?.value.vtepAddress).toBe('192.0.2.1')
    guard.set('history', undefined)
    await membership.change(change)
    expect((await nodeEntry())?.value).toMatchObject(change)
  })

  it('is not believed of a store that is in doubt', async () => {
    const { entered, guard, onRegisteredAnew } = enter()
    const membership = await entered
    const { store } = cluster
    guard.set('history', 'the store has another history than before')
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
    membership.ownNodeSeen(undefined)
    expect(membership.generation()).toBeGreaterThan(0)
    guard.set('history', undefined)
    membership.ownNodeSeen(undefined)
    await vi.waitUntil(() => onRegisteredAnew.mock.calls.length > 0, { timeout: 5_000, interval: 5 })
  })
})
