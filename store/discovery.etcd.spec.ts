import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createLogger } from '../lib/log.ts'
import { connect } from './connect.ts'
import { type EtcdCluster, startEtcdCluster } from './etcd-cluster-for-tests.ts'
import { put } from './store.ts'

let cluster: EtcdCluster
beforeAll(async () => {
  cluster = await startEtcdCluster(3)
})
afterAll(() => cluster[Symbol.asyncDispose]())

it('goes on with the others when the one member that was known is gone, and drops who was removed', async () => {
  const [first, second, third] = cluster.members
  if (!first || !second || !third) throw new Error('three members were asked for')
  const told: (readonly string[])[] = []
  const onMembers = (urls: readonly string[]) => void told.push(urls)
  const options = { urls: [first.url], log: createLogger('test', 'silent') }
  await using store = closing(connect({ ...options, discover: true, onMembers }))
  const { keys } = store
  const ended = new AbortController()
  const updates = store.follow(keys.nodes, ended.signal)[Symbol.asyncIterator]()
  expect((await updates.next()).value).toMatchObject({ kind: 'snapshot' })
  await vi.waitUntil(() => store.urls.length === 3)
  const lease = await store.grantLease(3)
  await first.kill()
  const write = (name: string) => store.commit({ compares: [], writes: [put(keys.node(name), { name })] })
  await vi.waitFor(async () => expect(await write('a')).toMatchObject({ committed: true }), 10_000)
  const seen = (await updates.next()).value
  expect(seen).toMatchObject({ kind: 'changes', changes: [{ entry: { value: { name: 'a' } } }] })
  await write('b')
  expect((await updates.next()).value).toMatchObject({ kind: 'changes' })
  const gone = (await store.admin.memberStates()).find(({ name }) => name === 'm1')
  expect(gone?.problem).not.toBe('')
  await store.admin.removeMember(gone?.ID ?? '')
  await second.kill()
  await second.restart()
  // By the failure of a member it looks again.
  await vi.waitUntil(async () => {
    await write('c').catch(() => undefined)
    return !store.urls.includes(first.url)
  }, 20_000)
  expect(told.map((urls) => urls.toSorted())).toEqual([
    [first.url, second.url, third.url].toSorted(),
    [second.url, third.url].toSorted(),
  ])
  expect(lease.lost.aborted).toBe(false)
  ended.abort()
})

it('keeps to what it was given where it was not told to discover', async () => {
  const url = cluster.members[2]?.url ?? ''
  await using store = closing(connect({ urls: [url], log: createLogger('test', 'silent') }))
  await store.probe()
  expect(store.urls).toEqual([url])
})

function closing<S extends { close(): Promise<void> }>(store: S) {
  return Object.assign(Object.create(store) as S, { [Symbol.asyncDispose]: () => store.close() })
}
