import { describe, expect, it } from 'vitest'
import { continues, later } from './history.ts'

const seen = { clusterId: '14841639068965178418', raftTerm: 4, revision: 100 }

describe('continues', () => {
  it.each([
    ['the same', seen, true],
    ['later', { ...seen, revision: 101, raftTerm: 5 }, true],
    ['a revision that went back', { ...seen, revision: 99 }, false],
    ['a term that went back, however many writes came since', { ...seen, revision: 500, raftTerm: 2 }, false],
    ['another cluster', { ...seen, clusterId: '14841639068965178419', revision: 500 }, false],
  ])('%s', (_, now, same) => {
    expect(continues(seen, now)).toBe(same)
  })
})

it('later keeps the highest of what was seen', () => {
  expect(later(seen, { ...seen, revision: 90, raftTerm: 5 })).toEqual({ ...seen, raftTerm: 5 })
  expect(later(undefined, seen)).toEqual(seen)
})
