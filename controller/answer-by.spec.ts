import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { answerBy } from './answer-by.ts'

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

it.each([
  [1_000, 900],
  [30_000, 29_000],
  [200, 150],
  [60, 10],
])('of a deadline in %i ms leaves %i', (deadline, at) => {
  const signal = answerBy({ signal: new AbortController().signal, deadline, peer: '', caller: undefined })
  vi.advanceTimersByTime(at - 1)
  expect(signal.aborted).toBe(false)
  vi.advanceTimersByTime(1)
  expect(signal.aborted).toBe(true)
})

it('ends with the call, and does not end without a deadline', () => {
  const call = new AbortController()
  const signals = [1_000, Number.POSITIVE_INFINITY, 2 ** 40].map((deadline) =>
    answerBy({ signal: call.signal, deadline, peer: '', caller: undefined }),
  )
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false])
  call.abort()
  expect(vi.getTimerCount()).toBe(0)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
})
