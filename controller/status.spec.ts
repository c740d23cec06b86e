import { expect, it } from 'vitest'
import { warningLines } from './status.ts'
import type { Warning } from './warnings/warnings.ts'

const warnings = (count: number): Warning[] =>
  Array.from({ length: count }, (_, n) => ({
    key: `k${n}`,
    network: `n${n}`,
    problem: 'few addresses',
    message: 'few addresses are left',
  }))
const lines = (count: number) => warningLines({ count, all: (most) => warnings(count).slice(0, most) })

it('tells each warning with its network, and of too many how many more there are', () => {
  expect(lines(0)).toEqual([])
  expect(lines(2)).toEqual(['network n0: few addresses are left', 'network n1: few addresses are left'])
  expect(lines(100)).toHaveLength(100)
  expect(lines(137).slice(99)).toEqual([
    'network n99: few addresses are left',
    'and 37 more: overlayctl inspect tells those of a network',
  ])
})
