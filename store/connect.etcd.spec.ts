import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createLogger } from '../lib/log.ts'
import { VniCursor } from '../proto/index.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import { startProxy } from './proxy-for-tests.ts'
import {
  absent,
  createdAt,
  OutcomeUnknownError,
  put,
  rangeEmpty,
  rangeUnchanged,
  remove,
  removeRange,
  type Store,
  unchanged,
} from './store.ts'

const log = createLogger('test', 'silent')
let etcd: TestEtcd
const cleanups: (() => Promise<void>)[] = []

beforeAll(async () => {
  etcd = await startEtcd({ flags: ['--max-request-bytes=8388608'] })
})
afterAll(() => etcd.close())
afterEach(async () => {
  etcd.thaw()
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** A store with a prefix of its own, so that tests share one etcd. */
function open(options: Partial<ConnectOptions> = {}): Store {
  const store = connect({ urls: [etcd.url], prefix: `/${randomUUID()}`, log, ...options })
  cleanups.push(() => store.close())
  return store
}

async function write(store: Store, name: string, value = 'host-1'): Promise<void> {
  await store.commit({ compares: [], writes: [put(store.keys.node(name), { name, version: value })] })
}

describe('reading', () => {
  it('gets an entry with its revisions, and undefined for none', async () => {
    const store = open()
    const key = store.keys.network('web')
    expect(await store.get(key)).toBeUndefined()
    const outcome = await store.commit({ compares: [], writes: [put(key, { name: 'web', vni: 7 })] })
    expect(await store.get(key)).toMatchObject({
      path: key.path,
      value: { name: 'web', vni: 7, mtu: 0 },
      createRevision: outcome.revision,
      modRevision: outcome.revision,
    })
  })

  it('lists and counts in pages, at one revision, also a range of 10,000', async () => {
    const store = open()
    const name = (n: number) => `n${String(n).padStart(5, '0')}`
    for (let batch = 0; batch < 100; batch++) {
      const names = Array.from({ length: 100 }, (_, n) => name(batch * 100 + n))
      const writes = names.map((each) => put(store.keys.node(each), { name: each }))
      await store.commit({ compares: [], writes })
    }
    const started = performance.now()
    const { entries, revision } = await store.list(store.keys.nodes)
    expect(performance.now() - started).toBeLessThan(1_000)
    expect(entries.map(({ path }) => path)).toEqual(
      Array.from({ length: 10_000 }, (_, n) => store.keys.node(name(n)).path),
    )
    expect(revision).toBe((await store.probe()).revision)
    expect(await store.count(store.keys.nodes)).toBe(10_000)

    const first = await store.page(store.keys.nodes, { limit: 6_000 })
    const second = await store.page(store.keys.nodes, { limit: 6_000, after: first.next ?? '' })
    expect([first.entries.length, second.entries.length, second.next]).toEqual([6_000, 4_000, undefined])
  })

  it('leaves malformed records out of lists, and names the key when asked for one', async () => {
    const store = open()
    await write(store, 'good')
    const { path } = store.keys.node('bad')
    await store.commit({ compares: [], writes: [{ do: 'put', path, value: 'no json', lease: undefined }] })
    expect((await store.list(store.keys.nodes)).entries.map(({ value }) => value.name)).toEqual(['good'])
    await expect(store.get(store.keys.node('bad'))).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining(path),
    })
  })

  it('keeps fields of a newer version when a record is written over', async () => {
    const store = open()
    const key = store.keys.node('host-1')
    const newer = JSON.stringify({ name: 'host-1', version: '9', rack: { row: 4 } })
    await store.commit({ compares: [], writes: [{ do: 'put', path: key.path, value: newer, lease: undefined }] })
    const over = await store.get(key)
    await store.commit({ compares: [], writes: [put(key, { name: 'host-1', version: '1' }, { over })] })
    expect((await store.get(key))?.json).toEqual({ name: 'host-1', version: '1', rack: { row: 4 } })
  })

  it('carries values of several MiB', async () => {
    const store = open()
    const value = 'x'.repeat(5 * 1024 * 1024)
    for (const name of ['a', 'b', 'c']) await write(store, name, value)
    const { entries } = await store.list(store.keys.nodes)
    expect(entries.map((entry) => entry.value.version.length)).toEqual([value.length, value.length, value.length])
    await expect(write(store, 'd', 'x'.repeat(9 * 1024 * 1024))).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('commit', () => {
  it('compares the create and mod revision of a key', async () => {
    const store = open()
    const key = store.keys.node('host-1')
    const attempt = async (...compares: Parameters<Store['commit']>[0]['compares']) =>
      (await store.commit({ compares, writes: [put(key, { name: 'host-1' })] })).committed

    expect(await attempt(absent(key))).toBe(true)
    expect(await attempt(absent(key))).toBe(false)
    const made = await store.get(key)
    if (!made) throw new Error('it was made')
    expect(await attempt(createdAt(key, made.createRevision), unchanged(made))).toBe(true)
    expect(await attempt(unchanged(made))).toBe(false)
    expect(await attempt(createdAt(key, made.createRevision))).toBe(true)
    expect(await attempt(createdAt(key, made.createRevision + 1))).toBe(false)
  })

  it('compares whole ranges: empty, and unchanged since a revision', async () => {
    const store = open()
    const { nodes } = store.keys
    const mark = put(store.keys.cluster, { uid: 'u' })
    const attempt = async (compare: ReturnType<typeof rangeEmpty>) =>
      (await store.commit({ compares: [compare], writes: [mark] })).committed

    const before = (await store.list(nodes)).revision
    expect(await attempt(rangeEmpty(nodes))).toBe(true)
    expect(await attempt(rangeUnchanged(nodes, before))).toBe(true)
    await write(store, 'host-1')
    expect(await attempt(rangeEmpty(nodes))).toBe(false)
    expect(await attempt(rangeUnchanged(nodes, before))).toBe(false)
    expect(await attempt(rangeUnchanged(nodes, (await store.list(nodes)).revision))).toBe(true)
    await store.commit({ compares: [], writes: [removeRange(nodes)] })
    expect(await attempt(rangeEmpty(nodes))).toBe(true)
  })

  it('writes all or nothing, and reads otherwise in the same step', async () => {
    const store = open()
    const [a, b, c] = [store.keys.node('a'), store.keys.node('b'), store.keys.node('c')]
    await write(store, 'a', 'here')
    const outcome = await store.commit({
      compares: [absent(b), absent(a)],
      writes: [put(b, { name: 'b' }), remove(a)],
      otherwise: [c, a],
    })
    expect(outcome).toMatchObject({
      committed: false,
      found: [undefined, { path: a.path, value: { version: 'here' } }],
    })
    expect(await store.get(b)).toBeUndefined()
    const done = await store.commit({ compares: [absent(b)], writes: [put(b, { name: 'b' }), remove(a)] })
    expect(done).toEqual({ committed: true, revision: (await store.probe()).revision })
    expect((await store.list(store.keys.nodes)).entries.map(({ path }) => path)).toEqual([b.path])
  })

  it('lets one of two clients win that create the same key at once', async () => {
    const stores = [open({ prefix: '/race' }), open({ prefix: '/race' })]
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(
        stores.map((store, index) => {
          const key = store.keys.node(`n${round}`)
          const writes = [put(key, { name: `n${round}`, uid: String(index) })]
          return store.commit({ compares: [absent(key)], writes, otherwise: [key] })
        }),
      )
      const winner = outcomes.findIndex(({ committed }) => committed)
      expect(outcomes.filter(({ committed }) => committed)).toHaveLength(1)
      expect(outcomes[1 - winner]).toMatchObject({ found: [{ value: { uid: String(winner) } }] })
    }
  })

  it('refuses more operations than etcd takes, and the same key twice', async () => {
    const store = open()
    const writes = Array.from({ length: 129 }, (_, n) => put(store.keys.node(`n${n}`), {}))
    await expect(store.commit({ compares: [], writes })).rejects.toMatchObject({ code: 'internal' })
    const twice = [put(store.keys.node('a'), {}), put(store.keys.node('a'), {})]
    await expect(store.commit({ compares: [], writes: twice })).rejects.toMatchObject({ code: 'internal' })
    expect(await store.count(store.keys.nodes)).toBe(0)
  })
})

describe('a store that fails', () => {
  it('frozen: every call is refused in time, and after it thaws all works again at once', async () => {
    const store = open({ callTimeout: 400 })
    await store.probe()
    etcd.freeze()
    const started = performance.now()
    const calls = Array.from({ length: 20 }, (_, n) => write(store, `n${n}`))
    const answers = await Promise.allSettled([...calls, store.list(store.keys.nodes), store.grantLease(5)])
    expect(performance.now() - started).toBeLessThan(1_000)
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
    expect(answers[0]).toMatchObject({ reason: expect.any(OutcomeUnknownError) })
    expect(answers[20]).toMatchObject({ reason: { message: expect.stringContaining(etcd.url) } })

    // From a second on there is no connection, and so no doubt.
    let attempt = 0
    await vi.waitFor(
      async () => {
        const refused = await write(store, `later-${++attempt}`).catch((error: unknown) => error)
        expect(refused).toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining('accepts no connection'),
        })
        expect(refused).not.toBeInstanceOf(OutcomeUnknownError)
      },
      { timeout: 5_000 },
    )
    etcd.thaw()
    const thawed = performance.now()
    await vi.waitFor(() => store.probe(), { timeout: 5_000, interval: 10 })
    expect(performance.now() - thawed).toBeLessThan(1_500)
    expect(await store.get(store.keys.node(`later-${attempt}`))).toBeUndefined()
  })

  it('killed: calls are refused at once, nothing was sent; when it is back, all works at once', async () => {
    const store = open()
    await write(store, 'before')
    await etcd.kill()
    const started = performance.now()
    await expect(store.get(store.keys.node('before'))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/no etcd answers at .*ECONNREFUSED.*--etcd/),
    })
    const refused = await write(store, 'after').catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'unavailable' })
    expect(refused).not.toBeInstanceOf(OutcomeUnknownError)
    expect(performance.now() - started).toBeLessThan(1_000)
    await etcd.restart()
    const back = performance.now()
    await vi.waitFor(() => write(store, 'after'), { timeout: 5_000, interval: 10 })
    expect(performance.now() - back).toBeLessThan(1_500)
    expect((await store.list(store.keys.nodes)).entries.map(({ value }) => value.name)).toEqual(['after', 'before'])
  })

  it('asks the other member when one refuses or stays silent', async () => {
    const [silent, refusing] = [await startProxy(etcd.url), await startProxy(etcd.url)]
    cleanups.push(silent.close, refusing.close)
    await refusing.cut()
    silent.stall()
    // Who is asked first is random.
    for (let round = 0; round < 6; round++) {
      const store = open({ urls: [silent.url, refusing.url, etcd.url], callTimeout: 600 })
      await write(store, 'host-1')
      expect((await store.get(store.keys.node('host-1')))?.value.name).toBe('host-1')
    }
  })

  it('a member that goes silent in use: reads go on with the other', async () => {
    const proxy = await startProxy(etcd.url)
    cleanups.push(proxy.close)
    const urls = [proxy.url, etcd.url]
    for (let round = 0; round < 4; round++) {
      await proxy.restore()
      const store = open({ urls, callTimeout: 400 })
      await write(store, 'host-1')
      proxy.stall()
      expect((await store.get(store.keys.node('host-1')))?.value.name).toBe('host-1')
    }
  })

  it('closed: calls are refused', async () => {
    const ending = new AbortController()
    const store = open({ signal: ending.signal })
    await store.probe()
    ending.abort()
    await expect(store.probe()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

it('reads a record through any type of message', async () => {
  const store = open()
  await store.commit({ compares: [], writes: [put(store.keys.vniCursor, { next: 1048576 })] })
  expect((await store.get({ path: store.keys.vniCursor.path, type: VniCursor }))?.value.next).toBe(1048576)
})
