import { getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { pause } from './retry.ts'
import { firstOf } from './signals.ts'

it('aborts with the first, for its reason, and leaves nothing in the others', () => {
  const [long, short] = [new AbortController(), new AbortController()]
  const signal = firstOf(long.signal, short.signal)
  expect(signal.aborted).toBe(false)
  const why = new Error('over')
  short.abort(why)
  expect(signal.reason).toBe(why)
  expect(getEventListeners(long.signal, 'abort')).toEqual([])
})

it('leaves nothing in a signal of which many were made, after garbage was collected, too', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const long = new AbortController()
  const others = Array.from({ length: 50 }, () => new AbortController())
  const signals = others.map(({ signal }) => firstOf(long.signal, signal))
  // What is referred to weakly only is kept for as long as this turn.
  await setImmediate()
  collectGarbage()
  for (const other of others) other.abort()
  expect(signals.every(({ aborted }) => aborted)).toBe(true)
  expect(getEventListeners(long.signal, 'abort')).toEqual([])
})

it('is aborted from the start when one of them is', () => {
  const long = new AbortController()
  expect(firstOf(long.signal, AbortSignal.abort('before')).reason).toBe('before')
  expect(firstOf(AbortSignal.abort('before'), long.signal).reason).toBe('before')
  expect(getEventListeners(long.signal, 'abort')).toEqual([])
})

it('a pause that ends with the first of several leaves nothing in them', async () => {
  const [one, other] = [new AbortController(), new AbortController()]
  await pause(1, one.signal, other.signal)
  const paused = pause(60_000, one.signal, other.signal)
  other.abort()
  await paused
  expect(getEventListeners(one.signal, 'abort')).toEqual([])
})
