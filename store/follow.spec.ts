import { getEventListeners } from 'node:events'
import { expect, it, vi } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { createLogger } from '../lib/log.ts'
import { connect } from './connect.ts'
import type { Header } from './etcd-api.ts'
import { type FollowParts, follow } from './follow.ts'
import { lenientDecoder } from './records.ts'
import { Stranded } from './stranded.ts'

const log = createLogger('test', 'silent')

it('leaves nothing in the signal of a consumer that has left', async () => {
  // Nobody listens there: the first that is told is that.
  const store = connect({ urls: ['127.0.0.1:1'], log })
  const { signal } = new AbortController()
  for await (const update of store.follow(store.keys.nodes, signal)) {
    expect(update.kind).toBe('lost')
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    break
  }
  expect(getEventListeners(signal, 'abort')).toEqual([])
  await store.close()
})

it('gives a consumer that was too slow to be told of a loss and its end a snapshot, once it asks', async () => {
  const header: Header = { cluster_id: '1', revision: '5', raft_term: '2' }
  const breaks: ((error: Error) => void)[] = []
  const parts: FollowParts = {
    read: async () => ({ header, kvs: [], more: false, count: '0' }),
    openWatch: async ({ signal }) => ({
      header,
      responses: (async function* () {
        await new Promise((resolve, reject) => {
          signal.addEventListener('abort', resolve)
          breaks.push(reject)
        })
        yield* []
      })(),
    }),
    decode: lenientDecoder(log),
    stranded: new Stranded({ first: 1, most: 1 }),
    log,
    auditInterval: 600_000,
    mostWaiting: 1,
  }
  const ending = new AbortController()
  const warned = vi.spyOn(log, 'warn')
  const updates = follow({ prefix: '/t/', type: null }, parts, ending.signal)
  expect((await updates.next()).value).toMatchObject({ kind: 'snapshot' })
  await vi.waitUntil(() => breaks.length === 1, { interval: 1, timeout: 4_000 })
  breaks[0]?.(new Error('the watch broke'))
  // The loss waits, and its end is too much.
  await vi.waitUntil(() => warned.mock.calls.length === 1, { interval: 1, timeout: 4_000 })
  expect((await updates.next()).value).toMatchObject({ kind: 'snapshot' })
  ending.abort()
  expect(await updates.next()).toMatchObject({ done: true })
})

it('asks again only when the one who refuses says that it is worth it', async () => {
  const asked: number[] = []
  const refused = () => new OverlayError('permission_denied', 'revoked', { retryAfter: 50 })
  const parts: FollowParts = {
    read: async () => {
      asked.push(performance.now())
      throw refused()
    },
    openWatch: () => Promise.reject(refused()),
    decode: lenientDecoder(log),
    // By itself it would ask again at once.
    stranded: new Stranded({ first: 1, most: 1 }),
    log,
    auditInterval: 600_000,
  }
  const ending = new AbortController()
  const updates = follow({ prefix: '/t/', type: null }, parts, ending.signal)
  expect((await updates.next()).value).toMatchObject({ kind: 'lost' })
  const next = updates.next()
  await vi.waitUntil(() => asked.length > 1, { interval: 1, timeout: 4_000 })
  expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(45)
  ending.abort()
  await next
})
