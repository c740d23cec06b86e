import { expect, test } from 'vitest'
import { countAnswers } from './ping-count.ts'

const answers = (sequences: readonly number[]) =>
  sequences.map((n) => `64 bytes from 10.0.9.3: icmp_seq=${n} ttl=64 time=0.05 ms`).join('\n')
const summary = (sent: number, received: number) =>
  `\n--- 10.0.9.3 ping statistics ---\n${sent} packets transmitted, ${received} received, 0% packet loss, time 20ms\n`

test('all answered', () => {
  expect(countAnswers(answers([1, 2, 3]) + summary(3, 3))).toEqual({ sent: 3, received: 3, lost: [] })
})

test('the last request was on its way', () => {
  expect(countAnswers(answers([1, 2]) + summary(3, 2))).toEqual({ sent: 2, received: 2, lost: [] })
})

test('a gap is a loss, also at the end', () => {
  expect(countAnswers(answers([1, 3]) + summary(6, 2))).toEqual({ sent: 5, received: 2, lost: [2, 4, 5] })
})

test('an error message is not an answer', () => {
  const unreachable = '\nFrom 10.0.9.2 icmp_seq=2 Destination Host Unreachable'
  expect(countAnswers(answers([1, 3]) + unreachable + summary(3, 2)).lost).toEqual([2])
})

test('sequence numbers start again after 65535', () => {
  const sequences = Array.from({ length: 65_540 }, (_, index) => (index + 1) % 65_536)
  expect(countAnswers(answers(sequences) + summary(65_540, 65_540))).toEqual({
    sent: 65_540,
    received: 65_540,
    lost: [],
  })
})

test('without a summary there is nothing to count', () => {
  expect(() => countAnswers('ping: connect: Network is unreachable')).toThrow('no summary')
})
