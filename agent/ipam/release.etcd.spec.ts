import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { createQuarantine } from '../../store/quarantine.ts'
import { OutcomeUnknownError, put, remove } from '../../store/store.ts'
import {
  type Claimant,
  claimantOf,
  freeze,
  giveBack,
  nodeRecord,
  openCluster,
  type TestCluster,
} from '../testing/cluster.ts'
import { readEndpoint } from '../view/records.ts'
import { claim } from './claim.ts'
import { release } from './release.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: Claimant

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  host = await claimantOf(cluster, 1, await cluster.addNetwork('web'))
})
afterEach(() => cluster.close())

describe('release', () => {
  it('may be repeated', async () => {
    const claimed = await claim(host.parts, host.request())
    const revision = await giveBack(host, claimed)
    const before = await cluster.dump()
    expect(await giveBack(host, claimed)).toBeGreaterThanOrEqual(revision)
    expect((await cluster.dump()).filter((line) => !before.includes(line))).toEqual([])
  })

  it('leaves alone what was made since under the same id', async () => {
    const claimed = await claim(host.parts, host.request())
    const { keys } = cluster.store
    const key = keys.endpoint('web', claimed.value.id)
    await cluster.store.commit({ compares: [], writes: [remove(key)] })
    await cluster.store.commit({ compares: [], writes: [put(key, claimed.value)] })
    await expect(giveBack(host, claimed)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('was made anew since'),
    })
    expect(await cluster.store.get(key)).toBeDefined()
  })

  it('takes what is missing for released only where the store still has this node', async () => {
    const claimed = await claim(host.parts, host.request())
    await giveBack(host, claimed)
    const key = cluster.store.keys.node('host-1')
    await cluster.store.commit({ compares: [], writes: [remove(key)] })
    await expect(giveBack(host, claimed)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('node host-1 was removed from the cluster:'),
    })
    await cluster.store.commit({ compares: [], writes: [put(key, nodeRecord(1))] })
    await expect(giveBack(host, claimed)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('and registered anew'),
    })
  })

  it('leaves alone what names another owner, and gives back what was written again for it', async () => {
    const { store } = cluster
    const { keys } = store
    const claimed = await claim(host.parts, host.request({ name: 'db' }))
    const { id, addresses, mac } = claimed.value
    const [ip] = addresses.map(parseIp)
    if (!ip) throw new Error('no address was claimed')
    const other = { kind: 'ENDPOINT', endpointId: 'f'.repeat(32), node: 'host-2' } as const
    const name = keys.name('web', 'db')
    await store.commit({ compares: [], writes: [remove(keys.address('web', ip)), remove(name)] })
    await store.commit({ compares: [], writes: [put(keys.address('web', ip), other), put(name, { endpointId: id })] })
    await giveBack(host, claimed)
    expect((await store.get(keys.address('web', ip)))?.value).toMatchObject(other)
    expect(await store.get(keys.releasedAddress('web', ip))).toBeUndefined()
    for (const key of [keys.endpoint('web', id), name, keys.mac('web', parseMac(mac))])
      expect(await store.get<unknown>(key)).toBeUndefined()
  })

  it('takes another lease when the one for its addresses is gone', async () => {
    const { store } = cluster
    const claimed = await claim(host.parts, host.request())
    const quarantine = createQuarantine(store, () => 0)
    await (await quarantine.lease()).lease.revoke()
    const endpoint = readEndpoint({ value: claimed.value, createRevision: claimed.revision, modRevision: 0 })
    await release({ store, quarantine, generation: () => host.registration.generation() }, endpoint)
    expect(await store.get(store.keys.endpoint('web', claimed.value.id))).toBeUndefined()
  })
})

describe('a claim whose answer does not come', () => {
  it('stays open, and cannot commit any more after a fence', async () => {
    // The transaction as it would be sent, built before the fence.
    const compare = host.registration.compare()
    await host.registration.fence()
    const before = await cluster.dump()
    const { keys } = cluster.store
    const late = { compares: [compare], writes: [put(keys.name('web', 'late'), { endpointId: 'x' })] }
    expect((await cluster.store.commit(late)).committed).toBe(false)
    expect(await cluster.dump()).toEqual(before)
    // The fence does not stand in the way of what is sent after it.
    await claim(host.parts, host.request())
  })

  it('is told as unknown while the store is frozen', async () => {
    const patient = cluster.connect(500)
    await patient.probe()
    await freeze(etcd)
    try {
      const failed = claim({ ...host.parts, store: patient }, host.request())
      await expect(failed).rejects.toBeInstanceOf(OutcomeUnknownError)
      expect(host.open.size).toBe(1)
    } finally {
      etcd.thaw()
    }
    await host.registration.fence()
    const [id = ''] = host.open
    const endpoint = await cluster.store.get(cluster.store.keys.endpoint('web', id))
    // It may have come through; after the fence it can no more.
    expect([undefined, id]).toContain(endpoint?.value.id)
  })
})
