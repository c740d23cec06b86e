import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Retries } from './reconciler-retries.ts'
import type { Key } from './state/key.ts'

const key = (n: number): Key => `network n${n}`

let stop: AbortController
beforeEach(() => {
  stop = new AbortController()
})
afterEach(() => stop.abort())

/** Keys fail until the test says otherwise; counts how often each was tried. */
function retrying(backoff = { first: 2, most: 30 }) {
  const tries = new Map<Key, number>()
  const rounds: (readonly Key[])[] = []
  const failing = new Set<Key>()
  const retries = new Retries({
    backoff,
    now: () => performance.now(),
    signal: stop.signal,
    retry(keys) {
      rounds.push(keys)
      for (const one of keys) {
        tries.set(one, (tries.get(one) ?? 0) + 1)
        if (failing.has(one)) retries.again(one)
        else retries.settled(one)
      }
    },
  })
  const fail = (one: Key) => {
    failing.add(one)
    retries.again(one)
  }
  const triesOf = (one: Key) => tries.get(one) ?? 0
  return { retries, rounds, failing, fail, triesOf }
}
const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 5_000, interval: 1 })

it('a key that has failed for long does not hold back another', async () => {
  const { fail, triesOf, failing } = retrying({ first: 2, most: 60_000 })
  fail(key(1))
  await until(() => triesOf(key(1)) === 5)
  const before = triesOf(key(1))
  fail(key(2))
  await until(() => triesOf(key(2)) > 1)
  expect(triesOf(key(1)) - before).toBeLessThan(2)
  failing.clear()
  await until(() => triesOf(key(1)) > before)
})

it('what succeeded, or is settled by other means, is tried no more', async () => {
  const { retries, fail, failing, triesOf } = retrying()
  fail(key(1))
  fail(key(2))
  retries.settled(key(1))
  failing.delete(key(2))
  await until(() => triesOf(key(2)) === 1)
  fail(key(3))
  await until(() => triesOf(key(3)) > 3)
  expect([triesOf(key(1)), triesOf(key(2))]).toEqual([0, 1])
})

it('many keys are few rounds', async () => {
  const { rounds, fail, triesOf } = retrying({ first: 50, most: 50 })
  const keys = Array.from({ length: 1_000 }, (_, n) => key(n))
  for (const one of keys) fail(one)
  await until(() => keys.every((one) => triesOf(one) > 1))
  expect(rounds.length).toBeLessThan(keys.length / 20)
})

it('ends with the signal', async () => {
  const { fail, rounds } = retrying()
  fail(key(1))
  stop.abort()
  await new Promise(setImmediate)
  fail(key(2))
  await new Promise(setImmediate)
  expect(rounds).toEqual([])
})
