/** Which member is asked, for how long, and what becomes of a call when one is slow, frozen or gone. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../lib/log.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import { startProxy, type TestProxy } from './proxy-for-tests.ts'
import { put, type Store } from './store.ts'

const log = createLogger('test', 'silent')
let etcd: TestEtcd
const cleanups: (() => Promise<void>)[] = []

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
afterEach(async () => {
  etcd.thaw()
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function open(options: Partial<ConnectOptions>): Store {
  const store = connect({ urls: [etcd.url], prefix: `/${randomUUID()}`, log, ...options })
  cleanups.push(() => store.close())
  return store
}

async function proxied(): Promise<TestProxy> {
  const proxy = await startProxy(etcd.url)
  cleanups.push(proxy.close)
  return proxy
}

const write = (store: Store, name: string) =>
  store.commit({ compares: [], writes: [put(store.keys.node(name), { name })] })

async function timed(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await action()
  return performance.now() - started
}

describe('one that is slow', () => {
  it('is waited for, the first time and later, over a connection that is there or new', async () => {
    const proxy = await proxied()
    const store = open({ urls: [proxy.url], callTimeout: 600 })
    await write(store, 'quick')
    proxy.delay(400)
    expect(await timed(() => write(store, 'slow'))).toBeGreaterThan(380)
    // By now it is known: what is slower still is waited for, too.
    proxy.delay(700)
    await write(store, 'slower')
    const another = open({ urls: [proxy.url], callTimeout: 1_200 })
    expect(await timed(() => another.probe())).toBeGreaterThan(1_300)
  })

  it('keeps its leases, watches and lists', async () => {
    const proxy = await proxied()
    const store = open({ urls: [proxy.url], callTimeout: 900 })
    proxy.delay(600)
    const lease = await store.grantLease(3)
    const ended = new AbortController()
    const updates = store.follow(store.keys.nodes, ended.signal)[Symbol.asyncIterator]()
    expect((await updates.next()).value).toMatchObject({ kind: 'snapshot' })
    await write(store, 'seen')
    expect((await updates.next()).value).toMatchObject({ kind: 'changes' })
    for (let round = 0; round < 4; round++) await store.probe()
    expect(lease.lost.aborted).toBe(false)
    ended.abort()
    await lease.revoke()
  })

  it('is not waited for where another one is quick', async () => {
    const slow = await proxied()
    slow.delay(1_500)
    for (let round = 0; round < 3; round++) {
      const store = open({ urls: [slow.url, etcd.url], callTimeout: 1_000 })
      expect(await timed(() => store.probe())).toBeLessThan(1_000)
      expect(await timed(() => write(store, `n${round}`))).toBeLessThan(1_000)
    }
  })
})

describe('one that says nothing', () => {
  it('is not written to, if it said nothing for a while: the write goes to another', async () => {
    const silent = await proxied()
    silent.stall()
    for (let round = 0; round < 4; round++) {
      const store = open({ urls: [silent.url, etcd.url], callTimeout: 800 })
      expect(await write(store, `n${round}`)).toMatchObject({ committed: true })
    }
  })

  it('ends a call as soon as it has been silent for long, not before', async () => {
    const proxy = await proxied()
    const store = open({ urls: [proxy.url], callTimeout: 500 })
    await store.probe()
    proxy.stall()
    const milliseconds = await timed(() => store.probe().catch(() => undefined))
    expect(milliseconds).toBeGreaterThan(450)
    expect(milliseconds).toBeLessThan(1_500)
  })
})

describe('members()', () => {
  it('tells who leads, and who does not answer', async () => {
    const proxy = await proxied()
    await proxy.cut()
    const store = open({ urls: [etcd.url, proxy.url], callTimeout: 500 })
    expect(await store.members()).toEqual([
      { name: '', url: proxy.url, leader: false, problem: expect.stringContaining('ECONNREFUSED') },
      { name: 'test', url: etcd.url, leader: true, problem: '' },
    ])
  })

  it('tells what it can when none answers', async () => {
    const store = open({ callTimeout: 300 })
    await store.probe()
    etcd.freeze()
    expect(await store.members()).toEqual([
      { name: '', url: etcd.url, leader: false, problem: 'it accepts connections but did not answer in time' },
    ])
  })
})
