import { randomUUID } from 'node:crypto'
import { execa } from 'execa'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createLogger } from '../lib/log.ts'
import { Node } from '../proto/index.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { defaultKeepalive } from './connection.ts'
import { parseEtcdUrls } from './endpoints.ts'
import { range } from './etcd-api.ts'
import { startEtcd, type TestEtcd, type TestEtcdOptions } from './etcd-for-tests.ts'
import { type FollowParts, follow } from './follow.ts'
import { Members } from './members.ts'
import { startProxy } from './proxy-for-tests.ts'
import { lenientDecoder } from './records.ts'
import { put, type Revision, remove, type Store } from './store.ts'
import { Stranded } from './stranded.ts'
import { type Collected, changeText, collect } from './updates-for-tests.ts'
import { type OpenWatch, watchOpener } from './watch-stream.ts'

const log = createLogger('test', 'silent')
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function start(options?: TestEtcdOptions): Promise<TestEtcd> {
  const etcd = await startEtcd(options)
  cleanups.push(etcd.close)
  return etcd
}

function open(url: string, options: Partial<ConnectOptions> = {}): Store {
  const store = connect({ urls: [url], prefix: '/t', log, ...options })
  cleanups.push(() => store.close())
  return store
}

function followNodes(store: Store): Collected<Node> {
  const ending = new AbortController()
  cleanups.push(() => ending.abort())
  return collect(store, store.keys.nodes, ending.signal)
}

async function write(store: Store, name: string, version = ''): Promise<Revision> {
  const { revision } = await store.commit({ compares: [], writes: [put(store.keys.node(name), { name, version })] })
  return revision
}

const compact = (etcd: TestEtcd, revision: Revision) =>
  execa('etcdctl', ['--endpoints', etcd.url, 'compact', String(revision)])

/** Every change of the nodes in etcd's own history. */
async function wholeHistory(etcd: TestEtcd, store: Store): Promise<readonly string[]> {
  const members = membersOf(etcd)
  const ending = new AbortController()
  const { revision } = await store.probe()
  const marker = await write(store, 'zz-end')
  expect(marker).toBeGreaterThan(revision)
  const { prefix } = store.keys.nodes
  const stream = await watchOpener(members)({ prefix, startRevision: 1, attempt: 0, signal: ending.signal })
  const all: string[] = []
  for await (const { events } of stream.responses) {
    for (const { type, kv } of events)
      all.push(changeText(type === 'Put' ? 'put' : 'delete', kv.key.toString(), Number(kv.mod_revision)))
    if (all.at(-1)?.endsWith(` ${marker}`)) break
  }
  ending.abort()
  return all
}

function membersOf(etcd: TestEtcd): Members {
  const endpoints = parseEtcdUrls([etcd.url], false)
  const members = new Members({
    endpoints,
    tls: undefined,
    callTimeout: 2_000,
    longestCall: 10_000,
    keepalive: defaultKeepalive,
  })
  cleanups.push(() => members.close())
  return members
}

describe('follow', () => {
  it('tells a snapshot, then each change, and ends with its signal', async () => {
    const etcd = await start()
    const store = open(etcd.url)
    const first = await write(store, 'a', '1')
    const ending = new AbortController()
    const told = collect(store, store.keys.nodes, ending.signal)
    await told.until(() => told.updates.length === 1)
    expect(told.updates[0]).toMatchObject({
      kind: 'snapshot',
      revision: first,
      historyBroken: false,
      entries: [{ value: { name: 'a', version: '1' } }],
    })
    const second = await write(store, 'a', '2')
    await store.commit({ compares: [], writes: [put(store.keys.network('web'), {})] })
    const third = (await store.commit({ compares: [], writes: [remove(store.keys.node('a'))] })).revision
    await told.until(() => told.changes.length === 2)
    const { path } = store.keys.node('a')
    expect(told.changes).toEqual([changeText('put', path, second), changeText('delete', path, third)])
    expect(told.updates.at(-1)).toMatchObject({ kind: 'changes', revision: third })
    ending.abort()
    await told.ended
    await write(store, 'b')
    expect(told.changes).toHaveLength(2)
  })

  it('passes over malformed records', async () => {
    const etcd = await start()
    const store = open(etcd.url)
    const told = followNodes(store)
    await told.until(() => told.updates.length === 1)
    const bad = store.keys.node('bad').path
    await store.commit({ compares: [], writes: [{ do: 'put', path: bad, value: '{"name":', lease: undefined }] })
    await write(store, 'good')
    await told.until(() => told.changes.length === 1)
    expect([...told.entries.values()].map(({ value }) => value.name)).toEqual(['good'])
    // A snapshot tells that they are there.
    const later = followNodes(store)
    await later.until(() => later.updates.length === 1)
    expect([...later.entries.keys()]).toEqual([store.keys.node('good').path])
    expect(later.ofKind('snapshot')[0]?.paths).toEqual([bad, store.keys.node('good').path])
  })

  it('loses nothing and tells nothing twice while etcd is killed and started under load', async () => {
    const etcd = await start()
    const [writer, store] = [open(etcd.url), open(etcd.url)]
    const told = followNodes(store)
    await told.until(() => told.updates.length === 1)
    const stopped = new AbortController()
    cleanups.push(() => stopped.abort())
    const load = (async () => {
      for (let n = 0; !stopped.signal.aborted; n++) {
        const name = `n${n % 7}`
        const next =
          n % 3 === 2 ? remove(writer.keys.node(name)) : put(writer.keys.node(name), { name, version: `${n}` })
        // Refused while etcd is away: what was written is told by its history.
        await writer.commit({ compares: [], writes: [next] }).catch(() => undefined)
      }
    })()
    for (let round = 0; round < 3; round++) {
      const seen = told.changes.length
      await told.until(() => told.changes.length > seen + 50, 10_000)
      await etcd.kill()
      await etcd.restart()
    }
    const seen = told.changes.length
    await told.until(() => told.changes.length > seen + 50, 10_000)
    stopped.abort()
    await load
    const history = await wholeHistory(etcd, store)
    await told.until(() => told.changes.at(-1) === history.at(-1))
    expect(told.changes).toEqual(history)
    expect(told.ofKind('snapshot')).toHaveLength(1)
    expect(told.ofKind('lost').length).toBeGreaterThanOrEqual(1)
    expect(told.ofKind('lost').length).toBeLessThanOrEqual(3)
  })

  it('begins before etcd is there: lost once, then the snapshot', async () => {
    const etcd = await start()
    await etcd.kill()
    const store = open(etcd.url)
    const told = followNodes(store)
    await told.until(() => told.updates.length === 1)
    await etcd.restart()
    await told.until(() => told.updates.length === 2)
    expect(told.updates.map(({ kind }) => kind)).toEqual(['lost', 'snapshot'])
    expect(told.ofKind('snapshot')[0]?.historyBroken).toBe(false)
  })

  it('notices a frozen etcd, and goes on after it thaws', async () => {
    const etcd = await start({ flags: ['--grpc-keepalive-min-time=100ms'] })
    const keepalive = { interval: 400, timeout: 300 }
    const store = open(etcd.url, { keepalive, callTimeout: 400 })
    const told = followNodes(store)
    await told.until(() => told.updates.length === 1)
    etcd.freeze()
    await told.until(() => told.ofKind('lost').length === 1)
    etcd.thaw()
    await told.until(() => told.updates.at(-1)?.kind === 'changes', 3_000)
    const revision = await write(store, 'a')
    await told.until(() => told.changes.length === 1)
    expect(told.changes).toEqual([changeText('put', store.keys.node('a').path, revision)])
    expect(told.updates.map(({ kind }) => kind)).toEqual(['snapshot', 'lost', 'changes', 'changes'])
  })

  it('finds a connection that died without a word', async () => {
    const etcd = await start({ flags: ['--grpc-keepalive-min-time=100ms'] })
    const proxy = await startProxy(etcd.url)
    cleanups.push(proxy.close)
    const store = open(proxy.url, { keepalive: { interval: 400, timeout: 300 }, callTimeout: 400 })
    const told = followNodes(store)
    await told.until(() => told.updates.length === 1)
    proxy.stall()
    const revision = await write(open(etcd.url), 'a')
    await told.until(() => told.ofKind('lost').length === 1)
    await proxy.restore()
    await told.until(() => told.changes.length === 1, 3_000)
    expect(told.changes).toEqual([changeText('put', store.keys.node('a').path, revision)])
  })

  it('lists again, history unbroken, when its cursor was compacted while it was away', async () => {
    const etcd = await start()
    const proxy = await startProxy(etcd.url)
    cleanups.push(proxy.close)
    const told = followNodes(open(proxy.url))
    await told.until(() => told.updates.length === 1)
    await proxy.cut()
    const direct = open(etcd.url)
    for (const name of ['a', 'b']) await write(direct, name)
    const revision = await write(direct, 'a', '2')
    await compact(etcd, revision)
    await proxy.restore()
    await told.until(() => told.ofKind('snapshot').length === 2)
    expect(told.updates.at(-1)).toMatchObject({ kind: 'snapshot', revision, historyBroken: false })
    expect(told.entries.get(direct.keys.node('a').path)?.value.version).toBe('2')
    const last = await write(direct, 'c')
    await told.until(() => told.changes.length === 1)
    expect(told.changes).toEqual([changeText('put', direct.keys.node('c').path, last)])
  })

  it('takes many MiB at once', async () => {
    const etcd = await start({ flags: ['--max-request-bytes=8388608'] })
    const proxy = await startProxy(etcd.url)
    cleanups.push(proxy.close)
    const told = followNodes(open(proxy.url))
    await told.until(() => told.updates.length === 1)
    await proxy.cut()
    const direct = open(etcd.url)
    const version = 'x'.repeat(4 * 1024 * 1024)
    for (let n = 0; n < 8; n++) await write(direct, `n${n}`, version)
    await proxy.restore()
    await told.until(() => told.changes.length === 8, 10_000)
    expect([...told.entries.values()].every(({ value }) => value.version.length === version.length)).toBe(true)
    expect(told.ofKind('snapshot')).toHaveLength(1)
  })

  it.each(['an empty one', 'an older snapshot'])('says that history is broken: data replaced by %s', async (what) => {
    const etcd = await start()
    const store = open(etcd.url)
    await write(store, 'a')
    if (what === 'an older snapshot') {
      await etcd.stop()
      await etcd.saveData()
      await etcd.restart()
    }
    for (const name of ['b', 'c', 'd']) await vi.waitFor(() => write(store, name))
    const told = followNodes(store)
    await told.until(() => told.entries.size === 4)
    await etcd.kill()
    await etcd.restoreData()
    await etcd.restart()
    await told.until(() => told.ofKind('snapshot').length === 2)
    expect(told.ofKind('snapshot').map(({ historyBroken }) => historyBroken)).toEqual([false, true])
    expect([...told.entries.values()].map(({ value }) => value.name)).toEqual(what === 'an empty one' ? [] : ['a'])
    await write(store, 'e')
    await told.until(() => told.changes.length === 1)
  })

  it('tells by the audit what a watch had lost', async () => {
    const etcd = await start()
    const store = open(etcd.url)
    const members = membersOf(etcd)
    const lossy: OpenWatch = async (options) => {
      const { header, responses } = await watchOpener(members)(options)
      const some = async function* () {
        for await (const response of responses)
          if (!response.events.some(({ kv }) => kv.key.toString().endsWith('lost'))) yield response
      }
      return { header, responses: some() }
    }
    const parts: FollowParts = {
      read: (request) => members.read(range, request),
      openWatch: lossy,
      stranded: new Stranded(),
      decode: lenientDecoder(log),
      log,
      auditInterval: 200,
    }
    await write(store, 'deleted-lost')
    const ending = new AbortController()
    cleanups.push(() => ending.abort())
    const lossyStore: Store = { ...store, follow: (range, signal) => follow(range, parts, signal) }
    const told = collect(lossyStore, store.keys.nodes, ending.signal)
    await told.until(() => told.updates.length === 1)
    const made = await write(store, 'made-lost')
    await store.commit({ compares: [], writes: [remove(store.keys.node('deleted-lost'))] })
    await write(store, 'seen')
    await told.until(() => told.changes.length === 3, 10_000)
    expect(told.changes).toContain(changeText('put', store.keys.node('made-lost').path, made))
    expect([...told.entries.values()].map(({ value }) => value.name).toSorted()).toEqual(['made-lost', 'seen'])
  })

  it('waits for a slow consumer, in order', async () => {
    const etcd = await start()
    const store = open(etcd.url, { prefix: `/${randomUUID()}` })
    const ending = new AbortController()
    const updates = store.follow(store.keys.nodes, ending.signal)[Symbol.asyncIterator]()
    expect(await updates.next()).toMatchObject({ value: { kind: 'snapshot' } })
    const revisions: Revision[] = []
    for (let n = 0; n < 50; n++) revisions.push(await write(store, 'a', String(n)))
    const seen: Revision[] = []
    while (seen.length < 50) {
      const { value, done } = await updates.next()
      expect(done).toBe(false)
      if (value?.kind === 'changes')
        for (const change of value.changes) if (change.kind === 'put') seen.push(change.entry.modRevision)
    }
    expect(seen).toEqual(revisions)
    ending.abort()
    expect(await updates.next()).toMatchObject({ done: true })
  })

  it('tells a consumer that is far too slow by a snapshot, which lacks nothing', async () => {
    const etcd = await start()
    const store = open(etcd.url, { prefix: `/${randomUUID()}`, mostWaiting: 20 })
    const ending = new AbortController()
    const updates = store.follow(store.keys.nodes, ending.signal)[Symbol.asyncIterator]()
    expect(await updates.next()).toMatchObject({ value: { kind: 'snapshot' } })
    for (let n = 0; n < 50; n++) await write(store, 'a', String(n))
    const last = await write(store, 'b')
    const seen = new Map<string, Revision>()
    let snapshots = 0
    while (seen.get('b') !== last) {
      const { value, done } = await updates.next()
      expect(done).toBe(false)
      if (value?.kind === 'snapshot') {
        snapshots++
        seen.clear()
        for (const { value: node, modRevision } of value.entries) seen.set(node.name, modRevision)
      }
      if (value?.kind === 'changes')
        for (const change of value.changes)
          if (change.kind === 'put') seen.set(change.entry.value.name, change.entry.modRevision)
    }
    expect(seen.get('a')).toBe(last - 1)
    expect(snapshots).toBe(1)
    // From there on each change is told again.
    const next = await write(store, 'c')
    expect((await updates.next()).value).toMatchObject({ kind: 'changes', revision: next })
    ending.abort()
    expect(await updates.next()).toMatchObject({ done: true })
  })
})
