import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { Network } from '../../proto/index.ts'
import { put, remove, type Store } from '../../store/store.ts'
import { claim, everyKey, neverEvicts, startSession, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { counted, isThere, leader, register, removes, stand } from './janitor-for-tests.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const web = Network.create({ name: 'web', uid: 'u' })

/** Stands until the test is over, or that is ended. */
function standing(...args: Parameters<typeof stand>): () => Promise<void> {
  const end = stand(...args)
  cleanups.push(end)
  return end
}

it('evicts what stays unreachable, with all that is kept of it, and nobody else', async () => {
  const [store] = stores.open()
  await register(store, 'n1', 'n2')
  await startSession(store, 'n2')
  await claim(store, web, 'n2', '10.0.0.9')
  const others = await everyKey(store)
  await register(store, 'gone')
  for (let n = 1; n < 30; n++) await claim(store, web, 'gone', `10.0.1.${n}`)
  const drain = store.keys.drain('gone')
  await store.commit({ compares: [], writes: [put(drain, { node: 'gone' }), remove(store.keys.node('n1'))] })
  standing(store)
  await until('the node to be evicted', async () => !(await isThere(store, 'gone')))
  await until('its endpoints to be gone', async () => (await store.count(store.keys.placements('gone'))) === 0)
  const left = (await everyKey(store)).filter((key) => !/^(leaders|released)\//.test(key))
  expect(left).toEqual(others.filter((key) => !key.startsWith('nodes/n1')))
})

it('evicts nothing where it is not asked to', async () => {
  const [store] = stores.open()
  await register(store, 'alive', 'gone')
  await startSession(store, 'alive')
  const { store: watched, looks } = counted(store)
  standing(watched, { unreachable: neverEvicts })
  await until('a leader', async () => (await leader(store)) === 'c1')
  expect(looks()).toBe(0)
  expect(await isThere(store, 'gone')).toBe(true)
})

it('leaves a node alone whose agent has a stream to it, or when no node at all is alive', async () => {
  const [store] = stores.open()
  const { store: watched, looks } = counted(store)
  await register(store, 'linked', 'gone')
  const links = new Set<string>()
  standing(watched, { unreachable: { isConnected: (node) => links.has(node) } })
  await until('many looks', () => looks() > 15)
  expect(await isThere(store, 'gone')).toBe(true)
  links.add('linked')
  await until('the other one to be evicted', async () => !(await isThere(store, 'gone')))
  expect(await isThere(store, 'linked')).toBe(true)
})

it('takes nothing from a node that is back at the last moment', async () => {
  const [store] = stores.open()
  await register(store, 'alive', 'back')
  await startSession(store, 'alive')
  let late = 0
  const { store: watched, looks } = counted(store)
  const racing: Store = {
    ...watched,
    commit: async (transaction) => {
      if (removes(store, 'back', transaction)) {
        late++
        await startSession(store, 'back')
      }
      return store.commit(transaction)
    },
  }
  standing(racing)
  await until('an attempt to evict', () => late > 0)
  const before = looks()
  await until('another look', () => looks() > before + 1)
  expect(late).toBe(1)
  expect(await isThere(store, 'back')).toBe(true)
})

it('is done by one of two: a leader that has lost the office while it was stopped takes nothing', async () => {
  const [store, second] = stores.open(2)
  await register(store, 'alive', 'gone')
  await startSession(store, 'alive')
  let stopped = () => {}
  let goOn = () => {}
  const isStopped = new Promise<void>((resolve) => (stopped = resolve))
  const thawed = new Promise<void>((resolve) => (goOn = resolve))
  let outcome: boolean | undefined
  const stopping: Store = {
    ...store,
    commit: async (transaction) => {
      if (!removes(store, 'gone', transaction)) return store.commit(transaction)
      stopped()
      await thawed
      const answer = await store.commit(transaction)
      outcome = answer.committed
      return answer
    },
  }
  const endFirst = standing(stopping, { id: 'first' })
  await isStopped
  // As the lease of a process that is stopped runs out.
  await store.commit({ compares: [], writes: [remove(store.keys.leader('janitor'))] })
  standing(second ?? store, { id: 'second', unreachable: { grace: 3_600_000 } })
  await until('the other one to lead', async () => (await leader(store)) === 'second')
  goOn()
  await until('the first one to go on', () => outcome !== undefined)
  expect(outcome).toBe(false)
  expect(await isThere(store, 'gone')).toBe(true)
  await endFirst()
})

it('begins anew with another leader', async () => {
  const [store, second] = stores.open(2)
  await register(store, 'alive', 'gone')
  await startSession(store, 'alive')
  const { store: watched, looks } = counted(store)
  const endFirst = standing(watched, { id: 'first', unreachable: { grace: 2_000 } })
  await until('some looks', () => looks() > 10)
  await endFirst()
  const { store: watchedToo, looks: looksOfSecond } = counted(second ?? store)
  standing(watchedToo, { id: 'second', unreachable: { grace: 2_000 } })
  await until('it to be evicted', async () => !(await isThere(store, 'gone')))
  expect(looksOfSecond()).toBeGreaterThan(10)
})
