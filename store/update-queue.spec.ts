import { describe, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import type { Update } from './store.ts'
import { UpdateQueue } from './update-queue.ts'

const changes = (...revisions: readonly number[]): Update<null> => ({
  kind: 'changes',
  changes: revisions.map((modRevision) => ({ kind: 'delete', path: '/a', modRevision })),
  revision: revisions.at(-1) ?? 0,
})
const snapshot = (revision: number, historyBroken = false): Update<null> => ({
  kind: 'snapshot',
  entries: [],
  paths: ['/a', '/b'],
  revision,
  historyBroken,
})
const lost: Update<null> = { kind: 'lost', error: new OverlayError('unavailable', 'away') }

describe('UpdateQueue', () => {
  it('gives what waits, in order, once', async () => {
    const queue = new UpdateQueue<null>(10)
    const filled = queue.filled()
    expect([queue.put(snapshot(1)), queue.put(changes(2)), queue.put(changes(3))]).toEqual([true, true, true])
    await filled
    expect(queue.take().map((update) => update.kind !== 'lost' && update.revision)).toEqual([1, 2, 3])
    expect(queue.take()).toEqual([])
  })

  it('drops all that waits where it would be too much, until the consumer asks again', async () => {
    const queue = new UpdateQueue<null>(3)
    expect([queue.put(changes(2, 3)), queue.put(changes(4, 5))]).toEqual([true, false])
    let asked = false
    const taken = queue.taken().then(() => {
      asked = true
    })
    await new Promise(setImmediate)
    expect(asked).toBe(false)
    expect(queue.take()).toEqual([])
    await taken
    // Who asked in between is not waited for; who waits for more has asked.
    await queue.taken()
    expect([queue.put(changes(6, 7)), queue.put(changes(8, 9))]).toEqual([true, false])
    const filled = queue.filled()
    await queue.taken()
    queue.put(changes(10))
    await filled
  })

  it('takes a snapshot in the place of what waited, and keeps the news that history broke', () => {
    const queue = new UpdateQueue<null>(3)
    queue.put(snapshot(1, true))
    queue.put(changes(2))
    expect(queue.put(snapshot(3))).toBe(true)
    expect(queue.take()).toEqual([snapshot(3, true)])
    queue.put(snapshot(4))
    expect(queue.take()).toEqual([snapshot(4)])
  })

  it('wakes who waits when more comes at once than may ever wait', async () => {
    const queue = new UpdateQueue<null>(2)
    const filled = queue.filled()
    expect(queue.put(changes(1, 2, 3))).toBe(false)
    const taken = queue.taken()
    await filled
    expect(queue.take()).toEqual([])
    await taken
    expect(queue.put(snapshot(3))).toBe(true)
  })

  it('keeps changes after a snapshot of any size', () => {
    const queue = new UpdateQueue<null>(2)
    expect([queue.put(snapshot(1)), queue.put(changes()), queue.put(changes(2))]).toEqual([true, true, true])
    expect(queue.take()).toEqual([snapshot(1), changes(), changes(2)])
  })

  it.each([
    ['losses', lost],
    ['ends of losses', changes()],
  ])('keeps no more %s than changes', (_, news) => {
    const queue = new UpdateQueue<null>(3)
    expect([1, 2, 3, 4].map(() => queue.put(news))).toEqual([true, true, true, false])
    expect(queue.take()).toEqual([])
  })

  it('keeps a snapshot, however little may wait', () => {
    const queue = new UpdateQueue<null>(0)
    expect([queue.put(snapshot(1)), queue.put(changes())]).toEqual([true, false])
    expect(queue.put(snapshot(2))).toBe(true)
    expect(queue.take()).toEqual([snapshot(2)])
  })

  it('lets nobody wait once it is closed', async () => {
    const queue = new UpdateQueue<null>(1)
    queue.put(changes(1, 2))
    const waiting = [queue.filled(), queue.taken()]
    queue.close()
    await Promise.all([...waiting, queue.filled(), queue.taken()])
  })
})
