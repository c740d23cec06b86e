import { expect, it } from 'vitest'
import { ageText } from './age.ts'

const now = new Date('2026-03-02T10:00:00Z')

it.each([
  ['2026-03-02T10:00:05Z', '0s'],
  ['2026-03-02T10:00:00Z', '0s'],
  ['2026-03-02T09:59:15Z', '45s'],
  ['2026-03-02T09:58:00Z', '2m'],
  ['2026-03-02T09:56:40Z', '3m20s'],
  ['2026-03-02T09:49:30Z', '10m'],
  ['2026-03-02T07:30:00Z', '2h30m'],
  ['2026-02-28T09:00:00Z', '2d1h'],
  ['2025-03-02T10:00:00Z', '365d'],
  ['', ''],
])('%s was %s ago', (time, text) => {
  expect(ageText(time, now)).toBe(text)
})
