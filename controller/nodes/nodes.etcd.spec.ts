import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Controller, Network, RemoveNodeRequest } from '../../proto/index.ts'
import { put, remove, type Store } from '../../store/store.ts'
import {
  claim,
  everyKey,
  neverEvicts,
  registerNode,
  silent,
  startSession,
  type TestStores,
  testStores,
  until,
} from '../cluster-for-tests.ts'
import { janitor } from '../janitor.ts'
import { evict } from './evict.ts'
import { getNode, listNodes } from './list.ts'
import { removeNode } from './remove.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const web = Network.create({ name: 'web', uid: 'u' })

async function claimMany(store: Store, node: string, count: number) {
  const from = node === 'n1' ? 0 : 100
  await Promise.all(
    Array.from({ length: count }, (_, n) =>
      claim(store, web, node, `10.0.${from + Math.floor(n / 200)}.${n % 200}`, `${node}-${n}`),
    ),
  )
}

const forget = (store: Store, name: string, force = false) =>
  removeNode(store, RemoveNodeRequest.create({ name, force }))

async function keysOf(store: Store) {
  return (await everyKey(store)).filter((key) => !/^(leaders|released)\//.test(key))
}

describe('listNodes, getNode', () => {
  it('tells who is alive and how many endpoints each has', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n1')
    await registerNode(store, 'n2')
    await startSession(store, 'n2')
    await claimMany(store, 'n1', 3)
    const nodes = await listNodes(store)
    expect(nodes.map(({ name, status }) => [name, status?.live, status?.state, status?.endpointCount])).toEqual([
      ['n1', false, 'UNREACHABLE', 3],
      ['n2', true, 'READY', 0],
    ])
    expect((await getNode(store, 'n2')).status?.sessionSince).toMatch(/^20/)
    await expect(getNode(store, 'n3')).rejects.toThrow('there is no node n3')
  })
})

describe('removeNode', () => {
  it('removes more endpoints than a transaction takes, and nothing of others', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n2')
    await claimMany(store, 'n2', 3)
    const others = await keysOf(store)
    await registerNode(store, 'n1')
    await claimMany(store, 'n1', 130)
    const { releasedEndpoints, node } = await forget(store, 'n1')
    expect(releasedEndpoints).toBe(130)
    expect(node?.name).toBe('n1')
    expect(await keysOf(store)).toEqual(others)
    await expect(forget(store, 'n1')).rejects.toThrow('there is no node n1')
  })

  it('is refused while the session lives, unless forced', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n1')
    await startSession(store, 'n1')
    await claimMany(store, 'n1', 2)
    const before = await keysOf(store)
    await expect(forget(store, 'n1')).rejects.toThrow('node n1 is alive')
    expect(await keysOf(store)).toEqual(before)
    expect((await forget(store, 'n1', true)).releasedEndpoints).toBe(2)
  })

  it('is refused when a session begins meanwhile', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n1')
    const late: Store = {
      ...store,
      commit: async (transaction) => {
        await startSession(store, 'n1')
        return store.commit(transaction)
      },
    }
    await expect(forget(late, 'n1')).rejects.toThrow('node n1 is alive')
    expect((await getNode(store, 'n1')).name).toBe('n1')
  })
})

describe('evict', () => {
  it('takes nothing from a node that is there', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n1')
    await claimMany(store, 'n1', 2)
    const before = await keysOf(store)
    await expect(evict(store, 'n1')).rejects.toThrow('node n1 has registered again')
    expect(await keysOf(store)).toEqual(before)
  })

  it('leaves an address that has another owner by now, and clears a placement of nothing', async () => {
    const [store] = stores.open()
    const { keys } = store
    await claim(store, web, 'n1', '10.0.0.2')
    const other = await claim(store, web, 'n2', '10.0.0.2')
    await store.commit({ compares: [], writes: [put(keys.placement('n1', 'web', 'f'.repeat(32)), null)] })
    expect(await evict(store, 'n1')).toBe(2)
    const left = await keysOf(store)
    expect(left.map((key) => key.replace(/ @.*/, ''))).toEqual([
      'addresses/web/10.0.0.2',
      `endpoints/web/${other.id}`,
      `macs/web/${other.mac}`,
      `placements/n2/web/${other.id}`,
    ])
  })

  it("puts the addresses into quarantine, but none that is another owner's", async () => {
    const [store] = stores.open()
    await claim(store, web, 'n1', '10.0.0.2')
    await claim(store, web, 'n2', '10.0.0.2')
    await claim(store, web, 'n1', '10.0.0.3')
    await evict(store, 'n1')
    const resting = store.keys.releasedAddresses('web')
    const { entries } = await store.list(resting)
    expect(entries.map(({ path, value }) => [path.slice(resting.prefix.length), value.node])).toEqual([
      ['10.0.0.3', 'n1'],
    ])
    expect(Date.parse(entries[0]?.value.freeAt ?? '')).toBeGreaterThan(Date.now() + 60_000)
  })

  it('may be done by several at once', async () => {
    const [store, second] = stores.open(2)
    await claimMany(store, 'n1', 100)
    const removed = await Promise.all([evict(store, 'n1'), evict(second ?? store, 'n1')])
    expect(removed[0] + removed[1]).toBe(100)
    expect(await keysOf(store)).toEqual([])
  })
})

describe('janitor', () => {
  it('finishes what was begun before it led and while it leads', async () => {
    const [store] = stores.open()
    await registerNode(store, 'n2')
    await claimMany(store, 'n1', 30)
    await claimMany(store, 'n2', 3)
    const ending = new AbortController()
    const candidate = Controller.create({ id: 'c1' })
    const work = janitor(store, { candidate, signal: ending.signal, log: silent, grace: 1, unreachable: neverEvicts })
    try {
      await until('n1 to be emptied', async () => (await store.count(store.keys.placements('n1'))) === 0)
      expect(await store.count(store.keys.placements('n2'))).toBe(3)
      await store.commit({ compares: [], writes: [remove(store.keys.node('n2'))] })
      await until('n2 to be emptied', async () => (await keysOf(store)).length === 0)
    } finally {
      ending.abort()
      await work
    }
  })
})
