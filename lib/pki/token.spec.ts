import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createToken, formatToken, hashSecret, parseToken } from './token.ts'

const fingerprint = 'ab'.repeat(32)
const token = { id: '0123abcd', secret: '0123456789abcdef'.repeat(2), fingerprint }
const text = `overlay1.0123abcd.${token.secret}.${fingerprint}`

describe('a token', () => {
  it('is written and read', () => {
    expect(formatToken(token)).toBe(text)
    expect(parseToken(` ${text}\n`)).toEqual(token)
  })

  it('is another each time', () => {
    const [one, other] = [createToken(fingerprint), createToken(fingerprint)]
    expect(one.secret).not.toBe(other.secret)
    expect(parseToken(formatToken(one))).toEqual(one)
  })

  it('is kept as the hash of its secret', () => {
    expect(hashSecret(token.secret)).toEqual(createHash('sha256').update(token.secret).digest())
  })
})

it.each([
  ['', 'the token is empty'],
  ['x', 'this is no token'],
  ['eyJhbGciOi.x.y', 'this is no token'],
  [text.replace('overlay1', 'overlay2'), 'is of another version'],
  [text.slice(0, -1), 'ends in the middle of its fingerprint: it was cut off when it was copied'],
  [text.slice(0, 40), 'ends in the middle of its secret: it was cut off'],
  [text.slice(0, 17), 'has no secret: it was cut off'],
  [text.slice(0, 12), 'ends in the middle of its id: it was cut off'],
  ['overlay1', 'has no id: it was cut off'],
  [text.replace('.0123abcd', '.0123ABCD'), "the token's id is not one"],
  [`${text.slice(0, 60)} ${text.slice(60)}`, 'has a space or a line break in it'],
  [`${text}.more`, 'has something after its end'],
])('%j is none: %s', (wrong, message) => {
  expect(() => parseToken(wrong)).toThrow(message)
  // It is a secret, also one that is wrong.
  expect(() => parseToken(wrong)).not.toThrow(token.secret.slice(0, 8))
})
