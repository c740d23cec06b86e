import { describe, expect, it } from 'vitest'
import { OverlayError } from './errors.ts'
import { delayBefore, pause, retry } from './retry.ts'

const backoff = { first: 1, most: 2 }
const never = new AbortController().signal

describe('delayBefore', () => {
  it.each([
    [0, 50, 100],
    [1, 100, 200],
    [3, 400, 800],
    [9, 500, 1_000],
    [5_000, 500, 1_000],
  ])('repeat %i waits %i to %i ms', (attempt, least, most) => {
    for (let n = 0; n < 50; n++) {
      const delay = delayBefore(attempt, { first: 100, most: 1_000 })
      expect(delay).toBeGreaterThanOrEqual(least)
      expect(delay).toBeLessThanOrEqual(most)
    }
  })
})

describe('pause', () => {
  it('ends early, and without an error, when the signal aborts', async () => {
    const controller = new AbortController()
    const paused = pause(60_000, controller.signal)
    controller.abort()
    await paused
    await pause(60_000, controller.signal)
  })
})

describe('retry', () => {
  it('gives what succeeds at last, and tells of what failed before', async () => {
    const told: unknown[] = []
    const action = async (attempt: number) => {
      if (attempt < 2) throw new Error(`failure ${attempt}`)
      return `success ${attempt}`
    }
    const result = await retry(action, {
      signal: never,
      backoff,
      onRetry: (error, attempt, delay) => told.push([(error as Error).message, attempt, delay <= 2]),
    })
    expect(result).toBe('success 2')
    expect(told).toEqual([
      ['failure 0', 0, true],
      ['failure 1', 1, true],
    ])
  })

  it('waits no less than it was told to, and no less than it would by itself', async () => {
    const delays: number[] = []
    const refusals = [30, 0].map((retryAfter) => new OverlayError('unavailable', 'too many', { retryAfter }))
    const action = async (attempt: number) => {
      const refusal = refusals[attempt]
      if (refusal) throw refusal
    }
    await retry(action, { signal: never, backoff, onRetry: (_error, _attempt, delay) => delays.push(delay) })
    expect(delays).toEqual([30, expect.closeTo(1.5, 0)])
  })

  it('gives up at once on what is not worthwhile', async () => {
    let attempts = 0
    const action = async () => {
      attempts++
      throw new Error('for good')
    }
    const failed = retry(action, { signal: never, backoff, worthwhile: (error) => String(error).includes('passing') })
    await expect(failed).rejects.toThrow('for good')
    expect(attempts).toBe(1)
  })

  it('throws the last error when the signal aborts, during a wait or an attempt', async () => {
    const during = new AbortController()
    const waiting = retry(async () => Promise.reject(new Error('again')), {
      signal: during.signal,
      backoff: { first: 60_000, most: 60_000 },
      onRetry: () => during.abort(),
    })
    await expect(waiting).rejects.toThrow('again')

    const before = new AbortController()
    const acting = retry(
      async () => {
        before.abort()
        throw new Error('in the middle')
      },
      { signal: before.signal, backoff },
    )
    await expect(acting).rejects.toThrow('in the middle')
  })
})
