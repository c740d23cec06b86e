import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import type { Lease } from '../../store/store.ts'
import { nodeRecord, openCluster, type TestCluster } from '../testing/cluster.ts'
import { register } from './registration.ts'
import { establishSession } from './session.ts'

let etcd: TestEtcd
let cluster: TestCluster
let lease: Lease

const mine = { node: 'host-1', uid: 'uid-of-1', bootId: 'boot-of-1' }

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  lease = await cluster.store.grantLease(30)
})
afterEach(() => cluster.close())

const session = () => cluster.store.get(cluster.store.keys.session('host-1'))

describe('establishSession', () => {
  it('writes the session, which goes with its lease', async () => {
    await establishSession(cluster.store, mine, lease)
    expect((await session())?.value).toMatchObject(mine)
    await lease.revoke()
    expect(await session()).toBeUndefined()
  })

  it('takes over from the same boot: the old lease has no say any more', async () => {
    const old = await cluster.store.grantLease(30)
    await establishSession(cluster.store, mine, old)
    await establishSession(cluster.store, mine, lease)
    await old.revoke()
    expect((await session())?.value).toMatchObject(mine)
  })

  it('waits for the session of a former boot to run out', async () => {
    const old = await cluster.store.grantLease(30)
    await establishSession(cluster.store, { ...mine, bootId: 'boot-0' }, old)
    await expect(establishSession(cluster.store, mine, lease)).rejects.toMatchObject({ code: 'conflict' })
    expect((await session())?.value.bootId).toBe('boot-0')
    await old.revoke()
    await establishSession(cluster.store, mine, lease)
    expect((await session())?.value.bootId).toBe('boot-of-1')
  })

  it('refuses where another host holds the name, naming its VTEP', async () => {
    await register(cluster.store, nodeRecord(1))
    await establishSession(cluster.store, { ...mine, uid: 'another' }, await cluster.store.grantLease(30))
    await expect(establishSession(cluster.store, mine, lease)).rejects.toMatchObject({
      code: 'already_exists',
      message: 'another host runs an agent as node "host-1" (VTEP 192.0.2.1): give this one another --node',
    })
    expect((await session())?.value.uid).toBe('another')
  })

  it('of two at once one is held back', async () => {
    const results = await Promise.allSettled([
      establishSession(cluster.connect(), mine, lease),
      establishSession(cluster.connect(), { ...mine, bootId: 'boot-2' }, lease),
      establishSession(cluster.connect(), { ...mine, bootId: 'boot-3' }, lease),
    ])
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})
