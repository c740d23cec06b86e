import { describe, expect, it } from 'vitest'
import { parseVni } from './vni.ts'

describe('parseVni', () => {
  it.each([1, 1048576, 16777215])('takes %i', (value) => {
    expect(parseVni(value)).toBe(value)
  })

  it.each([0, -1, 1.5, 16777216, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (value) => {
    expect(() => parseVni(value)).toThrow('is not a VNI (1 to 16777215)')
  })
})
