import { expect, it } from 'vitest'
import { parseName } from '../../lib/names.ts'
import { madeUpName } from './made-up-name.ts'

it('makes names that are names, each only once', () => {
  const taken = new Set<string>()
  for (;;) {
    try {
      const name = madeUpName(taken, Math.random)
      expect(taken.has(parseName(name))).toBe(false)
      taken.add(name)
    } catch (error) {
      expect(String(error)).toContain('all made-up names are in use')
      break
    }
  }
  expect(taken.size).toBeGreaterThan(4000)
})
