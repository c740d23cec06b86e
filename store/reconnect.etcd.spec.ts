import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createLogger } from '../lib/log.ts'
import { connect } from './connect.ts'
import { startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import { startProxy } from './proxy-for-tests.ts'
import { put } from './store.ts'

let etcd: TestEtcd
beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())

it('reconnect: what is asked and followed goes on at once over new connections', async () => {
  const log = createLogger('test', 'silent')
  const proxy = await startProxy(etcd.url)
  // No ping finds out.
  const keepalive = { interval: 3_600_000, timeout: 3_600_000 }
  const store = connect({ urls: [proxy.url], log, keepalive })
  const direct = connect({ urls: [etcd.url], log })
  const stop = new AbortController()
  const seen: string[] = []
  const following = (async () => {
    for await (const update of store.follow(store.keys.nodes, stop.signal))
      if (update.kind === 'changes')
        for (const change of update.changes) seen.push(change.kind === 'put' ? change.entry.value.name : '')
      else seen.push(update.kind)
  })()
  const write = (name: string) =>
    direct.commit({ compares: [], writes: [put(direct.keys.node(name), { name, version: '1' })] })
  try {
    await vi.waitUntil(() => seen.includes('snapshot'), { timeout: 5_000 })
    // As when the host's address is gone: what is open is dead, what is new is not.
    proxy.strand()
    await write('h1')
    store.reconnect()
    expect((await store.get(store.keys.node('h1')))?.value.name).toBe('h1')
    await vi.waitUntil(() => seen.includes('h1'), { timeout: 10_000 })
  } finally {
    stop.abort()
    await store.close()
    await direct.close()
    await following
    await proxy.close()
  }
})
