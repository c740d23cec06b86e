import { expect, it } from 'vitest'
import { Faults } from './faults.ts'
import { checkLabels } from './labels.ts'

function check(labels: Record<string, string>): void {
  const faults = new Faults()
  checkLabels(faults, 'labels', labels)
  faults.throwIfAny()
}

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, '']))

it.each([{}, many(64), { 'example.org/team-1_a': 'Zürich, 2nd floor', ['k'.repeat(63)]: 'v'.repeat(1024) }])(
  'takes labels %#',
  (labels) => {
    expect(() => check(labels)).not.toThrow()
  },
)

it.each([
  [many(65), 'labels: 65 are too many (at most 64)'],
  [{ '-a': '' }, 'labels: "-a" is not a key'],
  [{ '': '' }, 'labels: "" is not a key'],
  [{ ['k'.repeat(64)]: '' }, 'is not a key'],
  [{ a: 'ä'.repeat(513) }, 'labels: the value of "a" is longer than 1024 bytes'],
  [{ a: 'one\ntwo' }, 'labels: the value of "a" has control characters'],
  [{ a: 'half \ud83d' }, 'labels: the value of "a" has control characters'],
  [{ [`${'a'.repeat(79)}😀`]: '' }, `labels: "${'a'.repeat(79)}…" is not a key`],
])('refuses labels %#', (labels, message) => {
  expect(() => check(labels)).toThrow(message)
})
