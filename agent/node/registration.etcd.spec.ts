import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, remove } from '../../store/store.ts'
import { nodeRecord, openCluster, type TestCluster } from '../testing/cluster.ts'
import { isPassing, register } from './registration.ts'

let etcd: TestEtcd
let cluster: TestCluster

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
})
afterEach(() => cluster.close())

const nodeEntry = () => cluster.store.get(cluster.store.keys.node('host-1'))

async function refused(node: Parameters<typeof register>[1]): Promise<unknown> {
  const before = await cluster.dump()
  const error: unknown = await register(cluster.store, node).catch((thrown: unknown) => thrown)
  expect(await cluster.dump()).toEqual(before)
  return error
}

describe('register', () => {
  it('makes the record, and its create revision is the generation', async () => {
    const registration = await register(cluster.store, nodeRecord(1))
    const entry = await nodeEntry()
    expect(entry?.value).toMatchObject(nodeRecord(1))
    expect(new Date(entry?.value.registeredAt ?? '').getTime()).toBeLessThanOrEqual(Date.now())
    expect(registration.generation()).toBe(entry?.createRevision)
  })

  it('finds what is there, and writes only what changed', async () => {
    const { store } = cluster
    const first = await register(store, nodeRecord(1))
    const before = await nodeEntry()
    await register(store, nodeRecord(1))
    expect((await nodeEntry())?.modRevision).toBe(before?.modRevision)

    const json = { ...before?.json, rack: 'r7' }
    const { path } = store.keys.node('host-1')
    await store.commit({ compares: [], writes: [{ do: 'put', path, value: JSON.stringify(json), lease: undefined }] })
    const again = await register(store, { ...nodeRecord(1, 'boot-2'), vtepAddress: '192.0.2.11' })
    expect(again.generation()).toBe(first.generation())
    expect((await nodeEntry())?.json).toEqual({ ...json, bootId: 'boot-2', vtepAddress: '192.0.2.11' })
  })

  it('refuses a second host of the same name, naming the VTEP of the first', async () => {
    await register(cluster.store, nodeRecord(1))
    expect(await refused({ ...nodeRecord(1), uid: 'another', vtepAddress: '192.0.2.9' })).toMatchObject({
      code: 'already_exists',
      message: expect.stringMatching(/^node name "host-1" belongs to another host \(VTEP 192\.0\.2\.1\): .*--node/),
    })
  })

  it('refuses the VTEP address of another node, naming it', async () => {
    await register(cluster.store, nodeRecord(1))
    expect(await refused({ ...nodeRecord(2), vtepAddress: '192.0.2.1' })).toMatchObject({
      code: 'already_exists',
      message: expect.stringMatching(/^VTEP address 192\.0\.2\.1 is already that of node host-1: give --vtep-address/),
    })
    // Also to one that is registered already.
    await register(cluster.store, nodeRecord(2))
    expect(await refused({ ...nodeRecord(2), vtepAddress: '192.0.2.1' })).toMatchObject({ code: 'already_exists' })
  })

  it('waits until the endpoints of a former node are released', async () => {
    const { store } = cluster
    const placement = store.keys.placement('host-1', 'web', 'e1')
    await store.commit({ compares: [], writes: [put(placement, null)] })
    const error = await refused(nodeRecord(1))
    expect(error).toMatchObject({ code: 'conflict', message: expect.stringContaining('former node host-1') })
    expect(isPassing(error)).toBe(true)
    await store.commit({ compares: [], writes: [remove(placement)] })
    await register(store, nodeRecord(1))
  })

  it('of several with one VTEP address at once only one succeeds', async () => {
    const twins = [1, 2, 3, 4].map((n) => ({ ...nodeRecord(n), vtepAddress: '192.0.2.77' }))
    const results = await Promise.allSettled(twins.map((node) => register(cluster.connect(), node)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toHaveProperty('code', expect.stringMatching(/conflict|already_exists/))
    expect(await cluster.store.count(cluster.store.keys.nodes)).toBe(1)
  })
})

describe('change', () => {
  it('writes the record within its generation, and what was sent before it can commit no more', async () => {
    const { store } = cluster
    const registration = await register(store, nodeRecord(1))
    const before = registration.compare()
    await registration.change({ vtepAddress: '192.0.2.11', underlayMtu: 9000 })
    const entry = await nodeEntry()
    expect(entry?.value).toMatchObject({ ...nodeRecord(1), vtepAddress: '192.0.2.11', underlayMtu: 9000 })
    expect(entry?.createRevision).toBe(registration.generation())
    expect(registration.compare()).toMatchObject({ modRevision: entry?.modRevision })
    expect((await store.commit({ compares: [before], writes: [] })).committed).toBe(false)
    await registration.fence()
    expect((await nodeEntry())?.value.vtepAddress).toBe('192.0.2.11')
  })

  it('refuses the VTEP address of another node, naming it', async () => {
    const registration = await register(cluster.store, nodeRecord(1))
    await register(cluster.store, nodeRecord(2))
    const before = await cluster.dump()
    await expect(registration.change({ vtepAddress: '192.0.2.2', underlayMtu: 1500 })).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringContaining('VTEP address 192.0.2.2 is already that of node host-2'),
    })
    expect(await cluster.dump()).toEqual(before)
  })

  it('is refused by a store that went back, instead of being sent for ever', async () => {
    const registration = await register(cluster.store, nodeRecord(1))
    const now = await nodeEntry()
    if (!now) throw new Error('the node is not there')
    registration.seen({ ...now, modRevision: now.modRevision + 100 })
    await expect(registration.fence()).rejects.toMatchObject({ code: 'conflict' })
    expect((await nodeEntry())?.modRevision).toBe(now.modRevision)
  })

  it('of an evicted node is refused', async () => {
    const registration = await register(cluster.store, nodeRecord(1))
    await cluster.store.commit({ compares: [], writes: [remove(cluster.store.keys.node('host-1'))] })
    const change = { vtepAddress: '192.0.2.11', underlayMtu: 1500 }
    await expect(registration.change(change)).rejects.toMatchObject({ code: 'failed_precondition' })
    await register(cluster.store, nodeRecord(1))
    await expect(registration.change(change)).rejects.toMatchObject({ code: 'failed_precondition' })
  })
})

describe('fence', () => {
  it('kills what was built before it, and only that', async () => {
    const { store } = cluster
    const registration = await register(store, nodeRecord(1))
    const { keys } = store
    const write = put(keys.name('web', 'late'), { endpointId: 'e1' })
    const inFlight = { compares: [registration.compare()], writes: [write] }
    await registration.fence()
    expect((await store.commit(inFlight)).committed).toBe(false)
    expect(await store.get(keys.name('web', 'late'))).toBeUndefined()
    expect((await store.commit({ ...inFlight, compares: [registration.compare()] })).committed).toBe(true)
    expect(registration.generation()).toBe((await nodeEntry())?.createRevision)
    expect((await nodeEntry())?.value).toMatchObject(nodeRecord(1))
  })

  it('gets by what another connection of the same agent wrote', async () => {
    const registration = await register(cluster.store, nodeRecord(1))
    await (await register(cluster.store, nodeRecord(1))).fence()
    await registration.fence()
    const entry = await nodeEntry()
    expect(registration.compare()).toMatchObject({ modRevision: entry?.modRevision })
  })

  it('of an evicted node is refused, also when another one has its place', async () => {
    const { store } = cluster
    const registration = await register(store, nodeRecord(1))
    await store.commit({ compares: [], writes: [remove(store.keys.node('host-1'))] })
    await expect(registration.fence()).rejects.toMatchObject({ code: 'failed_precondition' })
    await register(store, nodeRecord(1))
    await expect(registration.fence()).rejects.toMatchObject({ code: 'failed_precondition' })
  })
})

describe('seen', () => {
  it('follows the record within its generation, and goes neither back nor to another one', async () => {
    const { store } = cluster
    const registration = await register(store, nodeRecord(1))
    const old = await nodeEntry()
    await (await register(store, nodeRecord(1, 'boot-2'))).fence()
    const now = await nodeEntry()
    if (!old || !now) throw new Error('the node is not there')
    registration.seen(now)
    registration.seen(old)
    expect(registration.compare()).toMatchObject({ modRevision: now.modRevision })
    registration.seen({ ...now, createRevision: now.modRevision + 5, modRevision: now.modRevision + 5 })
    expect(registration.generation()).toBe(old.createRevision)
  })
})
