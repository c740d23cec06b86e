import { afterAll, beforeAll, expect, it } from 'vitest'
import { Controller } from '../proto/index.ts'
import { connect } from '../store/connect.ts'
import { startProxy } from '../store/proxy-for-tests.ts'
import { put, type Store } from '../store/store.ts'
import { noWarnings, registerNode, silent, startSession, type TestStores, testStores } from './cluster-for-tests.ts'
import { clusterStatus } from './status.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const statusOf = (store: Store) =>
  clusterStatus({ store, warnings: noWarnings, clusterUid: 'c0ffee', controllerId: 'a:1' })

it('tells who is unreachable, who is the janitor, and when that one evicts', async () => {
  const [store] = stores.open()
  const { keys } = store
  await registerNode(store, 'host1')
  await startSession(store, 'host1')
  await registerNode(store, 'host3')
  expect(await statusOf(store)).toMatchObject({
    janitor: '',
    nodes: [{ status: { state: 'READY' } }, { status: { state: 'UNREACHABLE' } }],
    warnings: [expect.stringMatching(/^host3 is unreachable .*nothing of it is removed.*overlayctl node rm host3$/)],
  })
  const janitor = Controller.create({ id: 'a:1', address: 'a:1', nodeGrace: 300 })
  await store.commit({
    compares: [],
    writes: [put(keys.leader('janitor'), janitor), put(keys.controller('a:1'), janitor)],
  })
  expect(await statusOf(store)).toMatchObject({
    janitor: 'a:1',
    controllers: [{ id: 'a:1', nodeGrace: 300 }],
    warnings: [expect.stringContaining('when it has been so for 300 s (--node-grace)')],
  })
})

it('names a member of the store that does not answer, while the others do', async () => {
  const [{ keys }] = stores.open()
  const proxy = await startProxy(stores.etcd.url)
  // Two addresses of one member here: what is asked of each is the same.
  const store = connect({ urls: [stores.etcd.url, proxy.url], prefix: keys.prefix, log: silent })
  try {
    expect((await statusOf(store)).warnings).toEqual([])
    for (const [fail, why] of [
      [proxy.stall, /did not answer in time|accepts no connection/],
      [proxy.cut, /ECONNREFUSED|Connection dropped/],
    ] as const) {
      await fail()
      const { store: health, warnings } = await statusOf(store)
      expect(health).toMatchObject({ healthy: true })
      expect(health?.members.find(({ url }) => url === proxy.url)?.problem).toMatch(why)
      expect(warnings).toEqual([expect.stringMatching(`^etcd member ${proxy.url}: `)])
    }
  } finally {
    await store.close()
    await proxy.close()
  }
})
