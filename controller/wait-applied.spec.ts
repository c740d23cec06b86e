import { expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { beforeAskingAgain } from './wait-applied.ts'

it('asks again by a backoff, and no sooner than the agent said', () => {
  const lost = new OverlayError('unavailable', 'lost')
  const full = new OverlayError('unavailable', 'full', { retryAfter: 2_500 })
  expect(beforeAskingAgain(0, lost)).toBeLessThanOrEqual(250)
  expect(beforeAskingAgain(9, lost)).toBeGreaterThanOrEqual(1_000)
  expect(beforeAskingAgain(0, full)).toBe(2_500)
})
