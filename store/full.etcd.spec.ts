/** An etcd that is full. */
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLogger } from '../lib/log.ts'
import { connect } from './connect.ts'
import { startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import { put, type Store, StoreFullError } from './store.ts'

let etcd: TestEtcd
let store: Store
const etcdctl = (...args: readonly string[]) =>
  execa('etcdctl', [`--endpoints=${etcd.url}`, ...args], { env: { ETCDCTL_API: '3' } })

beforeAll(async () => {
  etcd = await startEtcd({ flags: ['--quota-backend-bytes=4194304'] })
  store = connect({ urls: [etcd.url], log: createLogger('test', 'silent') })
})
afterAll(async () => {
  await store.close()
  await etcd.close()
})

const write = (version: string) =>
  store.commit({ compares: [], writes: [put(store.keys.node('big'), { name: 'big', version })] })

it('refuses writes and leases at once, saying what to do, and is read; until the alarm is disarmed', async () => {
  const lease = await store.grantLease(5)
  const fill = async () => {
    for (let n = 0; n < 20; n++) await write('x'.repeat(1_000_000))
  }
  await expect(fill()).rejects.toBeInstanceOf(StoreFullError)
  await expect(write('small')).rejects.toThrow(/alarm NOSPACE.*etcdctl alarm disarm/)
  await expect(store.grantLease(5)).rejects.toBeInstanceOf(StoreFullError)
  await expect(store.requireRoom()).rejects.toBeInstanceOf(StoreFullError)
  expect(await store.members()).toEqual([
    { name: 'test', url: etcd.url, leader: true, problem: new StoreFullError().message },
  ])
  const { revision } = await store.probe()
  expect((await store.list(store.keys.nodes)).entries).toHaveLength(1)

  await etcdctl('compact', String(revision), '--physical')
  await etcdctl('defrag')
  await expect(store.requireRoom()).rejects.toBeInstanceOf(StoreFullError)
  await etcdctl('alarm', 'disarm')
  await store.requireRoom()
  expect(await write('small')).toMatchObject({ committed: true })
  expect(await store.members()).toMatchObject([{ problem: '' }])
  expect(lease.lost.aborted).toBe(false)
})
