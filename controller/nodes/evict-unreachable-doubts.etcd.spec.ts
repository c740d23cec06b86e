import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { connect } from '../../store/connect.ts'
import { startProxy } from '../../store/proxy-for-tests.ts'
import { put, remove, type Store, StoreFullError } from '../../store/store.ts'
import { everyKey, silent, startSession, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { counted, isThere, register, removes, stand } from './janitor-for-tests.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** Stands until the test is over, or that is ended. */
function standing(...args: Parameters<typeof stand>): () => Promise<void> {
  const end = stand(...args)
  cleanups.push(end)
  return end
}

it('begins anew when a session came and went between two looks', async () => {
  const [store] = stores.open()
  await register(store, 'alive', 'flickering')
  await startSession(store, 'alive')
  const { store: watched, looks } = counted(store)
  standing(watched, { unreachable: { grace: 1_000 } })
  const session = store.keys.session('flickering')
  for (let n = 0; n < 20; n++) {
    const before = looks()
    await until('a look', () => looks() > before)
    await startSession(store, 'flickering')
    await store.commit({ compares: [], writes: [remove(session)] })
  }
  expect(await isThere(store, 'flickering')).toBe(true)
  await until('it to be evicted at last', async () => !(await isThere(store, 'flickering')))
})

it('counts nothing while sessions are not told, or the store takes no writes, as nobody can open one then', async () => {
  for (const fault of ['watch', 'room']) {
    const [store] = stores.open()
    await register(store, 'alive', 'gone')
    await startSession(store, 'alive')
    let isWell = false
    let looks = 0
    const ailing: Store = {
      ...store,
      async *follow(range, signal) {
        const ails = fault === 'watch' && range.prefix === store.keys.sessions.prefix
        for await (const update of store.follow(range, signal)) {
          yield update
          if (ails) yield { kind: 'lost', error: new OverlayError('unavailable', 'lost') }
          if (ails) await until('the watch to be back', () => isWell)
          if (ails) yield { kind: 'changes', changes: [], revision: 0 }
        }
      },
      requireRoom: async () => {
        looks++
        if (fault === 'room' && !isWell) throw new StoreFullError()
      },
    }
    standing(ailing, { id: fault })
    await until('many looks', () => looks > 20)
    expect(await isThere(store, 'gone')).toBe(true)
    isWell = true
    await until('it to be evicted', async () => !(await isThere(store, 'gone')))
  }
})

it('goes by no key that is not one of a node', async () => {
  const [store] = stores.open()
  const { keys } = store
  await register(store, 'alive', 'gone')
  await startSession(store, 'alive')
  const strange = ['alive/x', 'gone/x'].map((name) => put(keys.node(name), { name, sessionTtl: 1 }))
  await store.commit({ compares: [], writes: [...strange, put(keys.session('gone/x'), { node: 'gone/x' })] })
  standing(store)
  await until('it to be evicted', async () => !(await isThere(store, 'gone')))
  expect(
    (await everyKey(store)).filter((key) => /^(nodes|sessions)/.test(key)).map((key) => key.split(' ')[0]),
  ).toEqual(['nodes/alive', 'nodes/alive/x', 'nodes/gone/x', 'sessions/alive', 'sessions/gone/x'])
})

it('counts nothing while the store is away, and gives all time to come back', async () => {
  const [store] = stores.open()
  const proxy = await startProxy(stores.etcd.url)
  cleanups.push(() => proxy.close())
  const prefix = store.keys.prefix
  const cut = connect({ urls: [proxy.url], prefix, log: silent, callTimeout: 300 })
  cleanups.push(() => cut.close())
  await register(store, 'alive', 'gone')
  await startSession(store, 'alive')
  const { store: watched, looks } = counted(cut)
  // Its office outlives the cut, so that it is the same leader afterwards.
  standing(watched, { ttlSeconds: 30, unreachable: { grace: 1_000, margin: 2_000 } })
  await until('some looks', () => looks() > 3)
  await proxy.cut()
  const before = looks()
  await until('a look that failed', () => looks() > before + 1)
  const back = performance.now()
  await proxy.restore()
  await until('it to be evicted', async () => !(await isThere(store, 'gone')))
  // Its session's second and the margin of two.
  expect(performance.now() - back).toBeGreaterThanOrEqual(3_000)
})

it('takes nothing from a node that shows up while another one is evicted', async () => {
  const [store] = stores.open()
  await register(store, 'alive', 'gone1', 'gone2')
  await startSession(store, 'alive')
  const session = store.keys.session('gone2')
  let told = 0
  let evictedAt: number | undefined
  let triedAt: number | undefined
  const { store: watched, looks } = counted(store)
  const flickering: Store = {
    ...watched,
    async *follow(range, signal) {
      for await (const update of store.follow(range, signal)) {
        yield update
        if (range.prefix === store.keys.sessions.prefix && update.kind === 'changes') told += update.changes.length
      }
    },
    commit: async (transaction) => {
      if (removes(store, 'gone2', transaction)) triedAt ??= looks()
      if (removes(store, 'gone1', transaction) && evictedAt === undefined) {
        evictedAt = looks()
        await startSession(store, 'gone2')
        await store.commit({ compares: [], writes: [remove(session)] })
        await until('both to be told', () => told >= 2)
      }
      return store.commit(transaction)
    },
  }
  standing(flickering)
  await until('the other one to be evicted at last', async () => !(await isThere(store, 'gone2')))
  // A whole grace later: not by the look that had found both overdue.
  expect(triedAt).toBeGreaterThanOrEqual((evictedAt ?? Infinity) + 3)
})
