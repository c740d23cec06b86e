import { describe, expect, it } from 'vitest'
import { quote, shorten } from './quote.ts'

describe('quote', () => {
  it.each([
    ['web', '"web"'],
    ['', '""'],
    ['say "no"', String.raw`"say \"no\""`],
    ['a\0b\nc', String.raw`"a\u0000b\nc"`],
    ['\u001b[2J\u009b', String.raw`"\u001b[2J\u{9b}"`],
    ['\u202eevil', String.raw`"\u{202e}evil"`],
    ['wéb 😀', '"wéb 😀"'],
    ['half \ud83d', String.raw`"half \ud83d"`],
    ['x'.repeat(3_000_000), `"${'x'.repeat(80)}…"`],
  ])('%j', (text, quoted) => {
    expect(quote(text)).toBe(quoted)
  })
})

describe('shorten', () => {
  it('cuts no character in two', () => {
    expect(shorten('abc😀d', 4)).toBe('abc…')
    expect(shorten('abc😀d', 5)).toBe('abc😀…')
  })
})
