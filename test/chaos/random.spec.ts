import { describe, expect, it } from 'vitest'
import { createRandom } from './random.ts'

const draws = (seed: number, stream: string) => {
  const random = createRandom(seed, stream)
  return Array.from({ length: 20 }, () => random.next())
}

describe('createRandom', () => {
  it('gives the same again for the same seed and stream, and for no other', () => {
    expect(draws(1, 'a')).toEqual(draws(1, 'a'))
    expect(draws(1, 'b')).not.toEqual(draws(1, 'a'))
    expect(draws(2, 'a')).not.toEqual(draws(1, 'a'))
  })

  it('is even enough', () => {
    const random = createRandom(7, 'even')
    const counts = [0, 0, 0, 0]
    for (let n = 0; n < 4_000; n++) {
      const which = random.below(4)
      counts[which] = (counts[which] ?? 0) + 1
    }
    for (const count of counts) expect(count).toBeGreaterThan(700)
  })

  it('picks by weight', () => {
    const random = createRandom(7, 'weights')
    const picked = Array.from({ length: 1_000 }, () => random.weighted({ often: 9, rarely: 1, never: 0 }))
    const often = picked.filter((key) => key === 'often').length
    expect(often).toBeGreaterThan(850)
    expect(often).toBeLessThan(950)
    expect(picked).not.toContain('never')
    expect(() => random.pick([])).toThrow(RangeError)
  })
})
