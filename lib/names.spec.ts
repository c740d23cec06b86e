import { describe, expect, it } from 'vitest'
import { parseIfname, parseName } from './names.ts'

describe('parseName', () => {
  it.each(['a', 'web', 'web-1', '7', '0a1b', 'a'.repeat(63)])('takes %s', (text) => {
    expect(parseName(text)).toBe(text)
  })

  it.each(['', '-web', 'web-', 'Web', 'web_1', 'web.1', 'we b', 'a/b', 'web\n', 'ä', 'a'.repeat(64)])(
    'refuses %j',
    (text) => {
      expect(() => parseName(text)).toThrow(`${JSON.stringify(text)} is not a name`)
    },
  )
})

describe('parseIfname', () => {
  it.each(['eth0', 'e', 'eth0.100', 'wg-home', 'a_b', '@x', 'a'.repeat(15)])('takes %s', (text) => {
    expect(parseIfname(text)).toBe(text)
  })

  it.each([
    '',
    '.',
    '..',
    'a'.repeat(16),
    'a b',
    'a/b',
    'a:b',
    'eth%d',
    'eth\t0',
    'eth0\n',
    'eth\0',
    // 15 characters, but 30 bytes.
    'ä'.repeat(15),
  ])('refuses %j', (text) => {
    expect(() => parseIfname(text)).toThrow('is not an interface name')
  })
})
