import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ListEndpointsRequest, Network, RemoveNodeRequest } from '../proto/index.ts'
import { put, type Store } from '../store/store.ts'
import {
  claim,
  everyKey,
  registerNode,
  reportRoutes,
  startSession,
  type TestStores,
  testStores,
} from './cluster-for-tests.ts'
import { findEndpoint } from './endpoints/find.ts'
import { listEndpoints } from './endpoints/list.ts'
import { findNetwork } from './networks/reference.ts'
import { getNode } from './nodes/list.ts'
import { findNode } from './nodes/reference.ts'
import { removeNode } from './nodes/remove.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

async function addNetwork(store: Store, name: string, uid: string) {
  const network = Network.create({ name, uid: uid.padEnd(32, '0') })
  await store.commit({ compares: [], writes: [put(store.keys.network(name), network)] })
  return network
}

describe('findNetwork, findNode', () => {
  it('takes the exact name before any beginning of a uid', async () => {
    const [store] = stores.open()
    await addNetwork(store, 'web', 'abc1')
    await addNetwork(store, 'db', 'abc2')
    await addNetwork(store, 'abc', 'fff')
    const found = async (reference: string) => (await findNetwork(store, reference)).value.name
    expect(await found('web')).toBe('web')
    expect(await found('abc')).toBe('abc')
    expect(await found('abc1')).toBe('web')
    expect(await found('abc2'.padEnd(32, '0'))).toBe('db')
    await expect(found('ab')).rejects.toMatchObject({
      code: 'invalid',
      message: `ab is the beginning of several networks' ids: ${'abc2'.padEnd(32, '0')} (db), ${'abc1'.padEnd(32, '0')} (web); give more of it, or the name`,
    })
    await expect(found('abd')).rejects.toMatchObject({
      code: 'not_found',
      message: 'there is no network abd: see "overlayctl ls"',
    })
    await expect(found('x'.repeat(64))).rejects.toMatchObject({ code: 'invalid' })
  })

  it('finds nodes for all that is done with one', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n1')
    const uid = (await findNode(store, 'n1')).value.uid.slice(0, 12)
    expect((await getNode(store, uid)).name).toBe('n1')
    await expect(getNode(store, 'n2')).rejects.toThrow('there is no node n2: see "overlayctl node ls"')
    await startSession(store, 'n1')
    await reportRoutes(store, 'n1', '10.0.0.0/8')
    const before = await everyKey(store)
    await expect(removeNode(store, RemoveNodeRequest.create({ name: uid }))).rejects.toThrow('node n1 is alive')
    expect(await everyKey(store)).toEqual(before)
    expect((await removeNode(store, RemoveNodeRequest.create({ name: uid, force: true }))).node?.name).toBe('n1')
    expect((await everyKey(store)).map((key) => key.split(' ')[0])).toEqual(['sessions/n1'])
  })
})

describe('endpoints', () => {
  it.each([0, 100])(
    'are found by id, beginning or name, and listed by what names them, with %d networks more',
    async (more) => {
      const [store] = stores.open()
      for (let n = 0; n < more; n++) await addNetwork(store, `n${n}`, `e${n}`)
      const [web, db] = [await addNetwork(store, 'web', 'abc1'), await addNetwork(store, 'db', 'abd2')]
      await registerNode(store, 'n1')
      const one = await claim(store, web, 'n1', '10.0.9.2', 'x1')
      const beef = await claim(store, web, 'n1', '10.0.9.3', 'beef')
      const [here, there] = [
        await claim(store, web, 'n1', '10.0.9.4', 'x2'),
        await claim(store, db, 'n2', '10.0.10.4', 'x2'),
      ]
      expect((await findEndpoint(store, one.id)).id).toBe(one.id)
      expect((await findEndpoint(store, one.id.slice(0, 8))).id).toBe(one.id)
      expect((await findEndpoint(store, 'x1')).id).toBe(one.id)
      expect((await findEndpoint(store, 'beef')).id).toBe(beef.id)
      await expect(findEndpoint(store, 'x2')).rejects.toMatchObject({
        code: 'invalid',
        message: `x2 may be several endpoints, by name or the beginning of their ids: ${there.id} (x2, db, on n2), ${here.id} (x2, web, on n1); give more of the id`,
      })
      await expect(findEndpoint(store, 'x3')).rejects.toMatchObject({ code: 'not_found' })
      await expect(findEndpoint(store, 'C 3')).rejects.toMatchObject({ code: 'invalid' })
      const uid = (await findNode(store, 'n1')).value.uid.slice(0, 12)
      const count = async (network: string, node: string) =>
        (await listEndpoints(store, ListEndpointsRequest.create({ network, node }))).endpoints.length
      expect([await count('abc', ''), await count('abc', uid), await count('', uid), await count('abd', uid)]).toEqual([
        3, 3, 3, 0,
      ])
      await expect(count('x', 'y')).rejects.toThrow(/no network x.*no node y/)
      await expect(count('X', 'Y')).rejects.toThrow(/network: "X".*node: "Y"/)
    },
  )
})
