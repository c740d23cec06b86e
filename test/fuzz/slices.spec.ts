import { expect, it } from 'vitest'
import { slicesOf } from './slices.ts'

it.each([1, 2, 3, 4, 30, 50, 51, 149, 150, 151, 1_000, 10_001])(
  '%d requests are all made, of every kind',
  (requests) => {
    const slices = slicesOf(requests, 3)
    let begun = 0
    for (const slice of slices) {
      expect(slice.begun).toBe(begun)
      expect(slice.count).toBeGreaterThan(0)
      expect(slice.count).toBeLessThanOrEqual(50)
      begun += slice.count
    }
    expect(begun).toBe(requests)
    const ofKind = [0, 1, 2].map((kind) => slices.filter((slice) => slice.kind === kind).length)
    expect(Math.max(...ofKind) - Math.min(...ofKind)).toBeLessThanOrEqual(1)
    expect(ofKind.filter((count) => count > 0)).toHaveLength(Math.min(3, requests))
  },
)

it('as few requests as npm test makes are of all kinds alike', () => {
  expect(slicesOf(30, 3)).toEqual([
    { begun: 0, count: 10, kind: 0 },
    { begun: 10, count: 10, kind: 1 },
    { begun: 20, count: 10, kind: 2 },
  ])
})
