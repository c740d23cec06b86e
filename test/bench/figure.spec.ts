import { describe, expect, it } from 'vitest'
import { type Figure, figureJson, figureText, isFailure } from './figure.ts'

const figure: Figure = { bench: 'b', what: 'w', value: 5, unit: 'ms' }

describe.each([
  ['without a bound', figure, true, false, ''],
  ['within it', { ...figure, atMost: 5, atLeast: 5, mustHold: true }, true, false, 'ok'],
  ['missed, as happens on a busy machine', { ...figure, atMost: 4 }, false, false, 'MISSED'],
  ['missed, which no machine excuses', { ...figure, atLeast: 6, mustHold: true }, false, true, 'FAILED'],
  ['not measured at all', { ...figure, value: Number.NaN, atMost: 4, mustHold: true }, false, true, 'FAILED'],
] as const)('a figure %s', (_, one, ok, fails, verdict) => {
  it('says whether it is ok, and whether the run fails by it', () => {
    expect(JSON.parse(figureJson(one))).toMatchObject({ bench: 'b', what: 'w', ok })
    expect(isFailure(one)).toBe(fails)
    expect(/ok|MISSED|FAILED/.exec(figureText(one))?.[0] ?? '').toBe(verdict)
  })
})
