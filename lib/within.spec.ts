import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { within } from './within.ts'

const late = new Error('it takes too long')
const never = () => new Promise<never>(() => undefined)

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('settles as the promise, and leaves no timer', async () => {
  expect(await within(Promise.resolve(7), 1_000, late)).toBe(7)
  await expect(within(Promise.reject(new Error('no')), 1_000, late)).rejects.toThrow('no')
  expect(vi.getTimerCount()).toBe(0)
})

it('rejects when the promise takes longer', async () => {
  const rejected = expect(within(never(), 1_000, late)).rejects.toBe(late)
  vi.advanceTimersByTime(1_000)
  await rejected
})
