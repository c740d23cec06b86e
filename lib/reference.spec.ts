import { describe, expect, it } from 'vitest'
import { byReference } from './reference.ts'

const named = (name: string, uid: string) => ({ name, uid })
const all = [named('web', 'ab12cd'), named('db', 'ab34ef'), named('ab3', 'ff00')]

describe('byReference', () => {
  it.each([
    ['web', 'web'],
    ['ab12', 'web'],
    ['ab34ef', 'db'],
    ['f', 'ab3'],
    // A name wins over the beginning of another's uid.
    ['ab3', 'ab3'],
    ['we', undefined],
    ['ab12cde', undefined],
    ['', undefined],
  ])('%j is %s', (reference, name) => {
    expect(byReference(all, 'network', reference)?.name).toBe(name)
  })

  it('refuses what begins several, naming them', () => {
    expect(() => byReference(all, 'network', 'ab')).toThrow(
      "ab is the beginning of several networks' ids: ab12cd (web), ab34ef (db); give more of it, or the name",
    )
    const many = Array.from({ length: 7 }, (_, n) => named(`n${n}`, `aa0${n}`))
    expect(() => byReference(many, 'node', 'aa')).toThrow('aa04 (n4) and more; give')
  })
})
