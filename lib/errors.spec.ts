import { describe, expect, it } from 'vitest'
import { errorCodes, hasCode, isErrorCode, OverlayError, UsageError } from './errors.ts'

describe('OverlayError.from', () => {
  it('leaves ours as they are', () => {
    const error = new OverlayError('conflict', 'lost the race')
    expect(OverlayError.from(error)).toBe(error)
    const usage = new UsageError('--what')
    expect(OverlayError.from(usage)).toBe(usage)
  })

  it('makes the rest internal, and keeps it as the cause', () => {
    const cause = new TypeError('x is not a function')
    expect(OverlayError.from(cause)).toMatchObject({ code: 'internal', message: cause.message, cause })
    expect(OverlayError.from('thrown text')).toMatchObject({ code: 'internal', message: 'thrown text' })
    expect(OverlayError.from(undefined)).toMatchObject({ code: 'internal', message: 'undefined' })
  })
})

it('saying keeps all of a refusal but its words', () => {
  const refusal = new OverlayError('unavailable', 'too many calls', { retryAfter: 1500 })
  const said = refusal.saying('node a: too many calls')
  expect(said).toMatchObject({
    code: 'unavailable',
    message: 'node a: too many calls',
    retryAfter: 1500,
    cause: refusal,
  })
})

describe('hasCode', () => {
  it('looks at our errors only', () => {
    expect(hasCode(new OverlayError('not_found', ''), 'not_found')).toBe(true)
    expect(hasCode(new OverlayError('not_found', ''), 'invalid')).toBe(false)
    expect(hasCode(new UsageError(''), 'invalid')).toBe(true)
    expect(hasCode({ code: 'not_found' }, 'not_found')).toBe(false)
  })
})

it('isErrorCode knows the closed set', () => {
  expect(errorCodes.every(isErrorCode)).toBe(true)
  expect(isErrorCode('ENOENT')).toBe(false)
  expect(isErrorCode('')).toBe(false)
})
