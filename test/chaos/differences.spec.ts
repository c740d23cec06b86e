import { expect, it } from 'vitest'
import { differingKeys, differingLines, without } from './differences.ts'

it.each([
  [['a', 'b'], ['b', 'a'], []],
  [['a', 'a'], ['a'], ['a']],
  [['a'], ['a', 'a'], []],
  [['a', 'b', 'a'], ['b'], ['a', 'a']],
])('%j without %j is %j', (some, others, rest) => {
  expect(without(some, others)).toEqual(rest)
})

it('tells lines that are there once too often, or no more', () => {
  expect(differingLines('h1', 'drop a\n}', 'drop a\ndrop a\n}')).toEqual(['h1 has drop a'])
  expect(differingLines('h1', 'drop a\ndrop a', 'drop a\nb')).toEqual(['h1 lacks drop a', 'h1 has b'])
})

it('tells keys that either of the two lacks, or has otherwise', () => {
  const some = new Map([
    ['same', '1'],
    ['changed', '1'],
    ['gone', ''],
  ])
  const others = new Map([
    ['same', '1'],
    ['changed', '2'],
    ['new', ''],
  ])
  expect(differingKeys(some, others)).toEqual(['changed', 'gone', 'new'])
})
