import { pino } from 'pino'
import { beforeEach, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import type { Repairs as RepairsMessage } from '../../proto/index.ts'
import { networkKey } from '../state/key.ts'
import type { Finding } from './drift.ts'
import { Repairs } from './repairs.ts'

let clock = 0
let lines: { msg: string; object?: string; times?: number; more?: number }[]
let messages: RepairsMessage[]
let repairs: Repairs

beforeEach(() => {
  clock = 0
  lines = []
  messages = []
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) })
  repairs = new Repairs(log, () => clock)
  repairs.onTold((message) => messages.push(message))
})

const missing = (n = 0, wentWithLink = false): Finding => {
  const item = {
    kind: 'remote-entry',
    dev: 'ovvx7',
    mac: parseMac(
      `02:00:00:00:${n
        .toString(16)
        .padStart(4, '0')
        .replace(/(..)(..)/, '$1:$2')}`,
    ),
    vtep: parseIp('192.0.2.2'),
  } as const
  return { operation: { do: 'put', item }, found: undefined, key: networkKey('web'), wentWithLink }
}
/** A second goes by. */
const tick = () => {
  clock += 1_000
  repairs.tick()
}
const told = () => messages.flatMap(({ deviations }) => deviations.map(({ object, times }) => `${object} x${times}`))

it('tells each at once, in the log and to those who listen', () => {
  const stop = repairs.onTold((message) => messages.push(message))
  repairs.note([missing(1), missing(2)])
  expect(messages).toHaveLength(2)
  expect(messages[0]).toMatchObject({
    deviations: [
      { kind: 'MISSING', object: 'fdb ovvx7 02:00:00:00:00:01', network: 'web', wanted: ['vtep 192.0.2.2'], times: 1 },
      { object: 'fdb ovvx7 02:00:00:00:00:02' },
    ],
    more: 0,
  })
  expect(lines.map(({ msg, object }) => `${object}: ${msg}`)).toEqual([
    'fdb ovvx7 02:00:00:00:00:01: was not as it should be: mended',
    'fdb ovvx7 02:00:00:00:00:02: was not as it should be: mended',
  ])
  stop()
  repairs.note([missing(3)])
  expect(messages).toHaveLength(3)
})

it('tells of one that is mended again and again ever less often, and how often it was', () => {
  const counts: number[] = []
  for (let second = 0; second < 600; second++) {
    for (let n = 0; n < 5; n++) repairs.note([missing()])
    tick()
    counts.push(told().length)
  }
  expect(counts.slice(0, 2)).toEqual([5, 10])
  expect(counts.at(-1)).toBeGreaterThan(14)
  expect(counts.at(-1)).toBeLessThan(24)
  expect(lines).toHaveLength(counts.at(-1) ?? 0)
  expect(lines.at(-1)?.msg).toBe('mended again and again: somebody else changes it')
  const told3000 = () => messages.flatMap(({ deviations }) => deviations).reduce((sum, { times }) => sum + times, 0)
  expect(told3000()).toBeGreaterThan(1_000)
  // What was not told yet is told after the last one, too.
  for (let second = 0; second < 400; second++) tick()
  expect(told3000()).toBe(3_000)
})

it('begins anew after it was quiet', () => {
  for (let n = 0; n < 10; n++) repairs.note([missing()])
  for (let second = 0; second < 40; second++) tick()
  for (let n = 0; n < 10; n++) repairs.note([missing()])
  expect(told()).toEqual(Array(20).fill('fdb ovvx7 02:00:00:00:00:00 x1'))
  repairs.note([missing()])
  expect(told()).toHaveLength(20)
})

it('counts what went with its link', () => {
  repairs.note([missing(1), missing(2, true), missing(3, true)])
  expect(messages).toMatchObject([{ deviations: [{ object: 'fdb ovvx7 02:00:00:00:00:01' }], more: 2 }])
})

it('counts what is too much at once', () => {
  repairs.note(Array.from({ length: 3_000 }, (_, n) => missing(n)))
  tick()
  repairs.note([missing(4_001)])
  expect(told()).toHaveLength(51)
  expect(lines).toHaveLength(52)
  expect(messages.map(({ more }) => more)).toEqual([2_950, 0])
})

it('counts what had to wait and is forgotten for others', () => {
  for (let n = 0; n < 11; n++) repairs.note([missing()])
  expect(messages).toHaveLength(10)
  repairs.note(Array.from({ length: 1_000 }, (_, n) => missing(n + 1)))
  expect(told()).toHaveLength(50)
  expect(messages.at(-1)?.more).toBe(961)
})
