import { expect, it } from 'vitest'
import { Deviation, Repairs } from '../proto/index.ts'
import { moreRepairsText, repairsIntake, repairText } from './repairs.ts'

it.each([
  [{ kind: 'MISSING' }, 'h1: link ovbr7 was missing: put back'],
  [{ kind: 'SURPLUS', times: 1 }, 'h1: link ovbr7 was there and should not be: removed'],
  [
    { kind: 'DIFFERENT', found: ['mtu 1400'], wanted: ['mtu 1450'] },
    'h1: link ovbr7 was changed (-mtu 1400, +mtu 1450): put right',
  ],
  [
    { kind: 'DIFFERENT', found: ['a 1', 'b 1', 'c 1', 'd 1'], wanted: ['a 2', 'b 2', 'c 2'] },
    'h1: link ovbr7 was changed (-a 1, -b 1, -c 1, -d 1, +a 2, +b 2, …): put right',
  ],
  [
    { kind: 'MISSING', times: 7 },
    'h1: link ovbr7 was missing: put back (7 times since that was last told: somebody changes it again and again)',
  ],
] as const)('%j is told as: %s', (deviation, text) => {
  expect(repairText('h1', Deviation.create({ object: 'link ovbr7', ...deviation }))).toBe(text)
})

it('says how many more there were', () => {
  expect(moreRepairsText('h1', 1)).toBe('h1: 1 more object was mended')
  expect(moreRepairsText('h1', 20)).toBe('h1: 20 more objects were mended')
})

it('keeps so much of a message that many are no burden', () => {
  const long = 'x'.repeat(10_000)
  const deviation = { object: long, wanted: Array(1_000).fill(long), found: [long], obstacle: long, network: long }
  const message = Repairs.create({ deviations: Array.from({ length: 1_000 }, () => deviation), more: 3 })
  const { deviations, more } = repairsIntake()(message) ?? Repairs.create()
  expect([deviations.length, more]).toEqual([100, 903])
  expect(JSON.stringify(deviations[0]).length).toBeLessThan(20_000)
  const small = Repairs.create({ deviations: [{ object: 'link ovbr7', found: ['mtu 1'] }] })
  expect(repairsIntake()(small)).toEqual(small)
})

it('counts what an agent tells too much of, and tells that later', () => {
  let clock = 0
  const intake = repairsIntake(() => clock)
  const message = Repairs.create({ deviations: Array.from({ length: 10 }, () => ({ object: 'link ovbr7' })) })
  const told = Array.from({ length: 30 }, () => intake(message)).map((one) => one && [one.deviations.length, one.more])
  expect(told.slice(0, 11)).toEqual([...Array.from({ length: 10 }, () => [10, 0]), [0, 10]])
  expect(told.slice(20)).toEqual(Array(10).fill(undefined))
  clock = 1_000
  expect(intake(message)).toMatchObject({ deviations: message.deviations, more: 100 })
})
