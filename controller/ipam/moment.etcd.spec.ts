import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { put, type Store } from '../../store/store.ts'
import { type TestStores, testStores } from '../cluster-for-tests.ts'
import { openIpam } from './ipam-for-tests.ts'
import { readMoment } from './moment.ts'

let stores: TestStores

beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

/** Tells before each page that is read. */
function told(store: Store, before: () => Promise<unknown>): Store {
  const page: Store['page'] = async (...args) => {
    await before()
    return store.page(...args)
  }
  return { ...store, page }
}

it('is of one revision, whatever is written meanwhile', async () => {
  const ipam = await openIpam(stores)
  const { store } = ipam
  await ipam.attach({ node: 'n1', addresses: ['10.0.0.7'], name: 'one' })
  let late = 0
  const writing = told(store, () => ipam.write(put(store.keys.placement('n1', 'web', `late${late++}`), null)))
  const { endpoints, addresses, names, macs, placements, tenures } = await readMoment(writing, undefined)
  expect(late).toBeGreaterThan(5)
  expect([endpoints.size, names.length, macs.length, placements.length, tenures.length]).toEqual([1, 1, 1, 1, 1])
  expect(addresses.filter(({ value }) => value.kind === 'ENDPOINT')).toHaveLength(1)
})

it('is read anew when the store is compacted meanwhile, but not for ever', async () => {
  const ipam = await openIpam(stores)
  const { store } = ipam
  await ipam.attach({ node: 'n1', addresses: ['10.0.0.7'] })
  const compact = async () => {
    await store.commit({ compares: [], writes: [put(store.keys.placement('n1', 'db', 'x'), null)] })
    const { revision } = await store.probe()
    await execa('etcdctl', ['--endpoints', stores.etcd.url, 'compact', String(revision)])
  }
  let times = 0
  const once = told(store, async () => {
    if (times++ === 2) await compact()
  })
  expect((await readMoment(once, undefined)).placements).toHaveLength(2)
  await expect(readMoment(told(store, compact), undefined)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('compact it less often'),
  })
})
