import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ClustersService, type Event, EventsService, NetworksService, NodesService } from '../proto/index.ts'
import { remove } from '../store/store.ts'
import { claim, registerNode, startSession, type TestStores, testStores, until } from './cluster-for-tests.ts'
import { serve } from './served-for-tests.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const created = { name: 'web', subnets: [{ cidr: '10.0.9.0/24' }], mtu: 1450 }

describe('events', () => {
  it('tells every watcher what happens, as it happens', async () => {
    await using served = await serve(stores)
    const networks = served.client.service(NetworksService)
    const ending = new AbortController()
    const watch = () => {
      const seen: Event[] = []
      const ended = (async () => {
        for await (const event of served.client.service(EventsService).watch({}, { signal: ending.signal }))
          seen.push(event)
      })()
      return { seen, ended }
    }
    const watchers = [watch(), watch()]
    // A watch tells only what is after it: it is there when it tells something.
    let tries = 0
    await until('the watches', async () => {
      await networks.create({ name: `try${++tries}`, mtu: 1450 })
      return watchers.every(({ seen }) => seen.length > 0)
    })
    const { network } = await networks.create(created)
    if (!network) throw new Error('no network')
    await registerNode(served.store, 'n1', '192.0.2.7')
    await startSession(served.store, 'n1')
    // Its record and its session are followed each by itself.
    const isLive = () => watchers.every(({ seen }) => seen.some(({ action }) => action === 'LIVE'))
    await until('both to be told that it lives', isLive)
    const endpoint = await claim(served.store, network, 'n1', '10.0.9.2')
    await served.store.commit({ compares: [], writes: [remove(served.store.keys.session('n1'))] })
    await served.client.service(NodesService).remove({ name: 'n1' })
    await networks.remove({ name: 'web' })
    const told = (events: Event[]) =>
      events
        .map(({ action, network, node, endpoint }) => `${action} ${network?.name ?? node?.name ?? endpoint?.id}`)
        .filter((line) => !line.includes('try'))
    for (const { seen } of watchers) {
      await until('all events', () => told(seen).length === 8)
      expect(told(seen).toSorted()).toEqual(
        ['CREATED web', 'CREATED n1', 'LIVE n1', 'LOST n1', 'REMOVED n1', 'REMOVED web']
          .concat(`CREATED ${endpoint.id}`, `REMOVED ${endpoint.id}`)
          .toSorted(),
      )
      expect(seen.every(({ time }) => /^20.*Z$/.test(time))).toBe(true)
      expect(seen.findLast(({ action }) => action === 'REMOVED')?.network?.subnets).toEqual(network.subnets)
    }
    ending.abort()
    await Promise.all(watchers.map(({ ended }) => ended))
  })
})

describe('the controller', () => {
  it('is registered, tells its status, and is gone at once when it is closed', async () => {
    const served = await serve(stores)
    try {
      const { store, client } = served
      await until('the registration', async () => (await store.count(store.keys.controllers)) === 1)
      await registerNode(store, 'n1')
      const status = await client.service(ClustersService).getStatus({})
      expect(status.store?.healthy).toBe(true)
      expect(status.controllers.map(({ id }) => id)).toEqual([served.controller.id])
      expect(status.nodes.map(({ name }) => name)).toEqual(['n1'])
      expect(status.clusterUid).toBe((await store.get(store.keys.cluster))?.value.uid)
    } finally {
      await served[Symbol.asyncDispose]()
    }
    expect(await served.store.count(served.store.keys.controllers)).toBe(0)
  })

  it('answers with what is wrong while the store is frozen', async () => {
    await using served = await serve(stores)
    stores.etcd.freeze()
    try {
      const status = await served.client.service(ClustersService).getStatus({})
      expect(status.store).toMatchObject({ healthy: false, urls: [stores.etcd.url] })
      expect(status.store?.problem).toMatch(/did not answer in time|has not answered within/)
    } finally {
      stores.etcd.thaw()
    }
    await until(
      'the store',
      async () => (await served.client.service(ClustersService).getStatus({})).store?.healthy === true,
    )
  })
})
