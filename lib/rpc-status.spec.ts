import { Metadata, status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { errorCodes, OverlayError } from './errors.ts'
import { fromStatus, toStatus } from './rpc-status.ts'

const failed = (code: unknown, details?: string) => Object.assign(new Error('13 INTERNAL: frame'), { code, details })

describe('toStatus', () => {
  it.each([
    ['x'.repeat(3_000_000), /^x+… \(and more\)$/],
    ['é😀'.repeat(100_000), /^(é😀)+é?… \(and more\)$/],
  ])('cuts what no header takes', (message, cut) => {
    const { details } = toStatus(new OverlayError('invalid', message))
    expect(details).toMatch(cut)
    expect(encodeURI(details).length).toBeLessThan(13_000)
    expect(encodeURI(details).length).toBeGreaterThan(12_000)
  })

  it('gives no half of a character to encodeURI, which would throw', () => {
    const { details } = toStatus(new OverlayError('invalid', 'half \ud83d, whole 😀'))
    expect(details).toBe('half \ufffd, whole 😀')
  })
})

describe('fromStatus', () => {
  it.each(errorCodes)('gives back %s after toStatus', (code) => {
    const { code: number, details } = toStatus(new OverlayError(code, 'why'))
    expect(fromStatus(failed(number, details))).toMatchObject({ code, message: 'why' })
  })

  it('gives back when to try again', () => {
    const { code, details, metadata } = toStatus(new OverlayError('unavailable', 'full', { retryAfter: 1_234.4 }))
    expect(metadata?.getMap()).toEqual({ 'grpc-retry-pushback-ms': '1234' })
    expect(fromStatus(Object.assign(failed(code, details), { metadata }))).toMatchObject({ retryAfter: 1_234 })
    expect(toStatus(new OverlayError('unavailable', 'away'))).not.toHaveProperty('metadata')
  })

  it.each(['-1', 'soon', '', '1e99'])('makes nothing of a hint that is no time: %j', (text) => {
    const metadata = new Metadata()
    metadata.set('grpc-retry-pushback-ms', text)
    expect(fromStatus(Object.assign(failed(status.UNAVAILABLE), { metadata })).retryAfter).toBeUndefined()
  })

  it('maps every code to a status of its own', () => {
    expect(new Set(errorCodes.map((code) => toStatus(new OverlayError(code, '')).code)).size).toBe(errorCodes.length)
  })

  it.each([
    [failed(status.CANCELLED, 'Call cancelled'), 'unavailable', 'Call cancelled'],
    [failed(status.UNIMPLEMENTED, 'no such method'), 'internal', 'no such method'],
    [failed(status.UNKNOWN, ''), 'internal', '13 INTERNAL: frame'],
    [failed('ENOENT'), 'internal', '13 INTERNAL: frame'],
    [new TypeError('x is not a function'), 'internal', 'x is not a function'],
    ['text', 'internal', 'text'],
  ])('takes whatever is thrown: %s', (thrown, code, message) => {
    expect(fromStatus(thrown)).toMatchObject({ code, message })
  })

  it('leaves ours as they are', () => {
    const error = new OverlayError('conflict', 'why')
    expect(fromStatus(error)).toBe(error)
  })
})
