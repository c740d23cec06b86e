import { describe, expect, it } from 'vitest'
import { differences } from './follow-audit.ts'

describe('differences', () => {
  const compare = (
    known: Record<string, number>,
    there: Record<string, number>,
    { deleted = {}, revision = 100 }: { deleted?: Record<string, number>; revision?: number } = {},
  ) => {
    const map = (record: Record<string, number>) => new Map(Object.entries(record))
    return differences({ known: map(known), deleted: map(deleted) }, map(there), revision)
  }

  it.each([
    ['nothing', compare({ a: 5, b: 7 }, { a: 5, b: 7 }), []],
    ['a key that was never told', compare({ a: 5 }, { a: 5, b: 7 }), ['b']],
    ['a key that was written again', compare({ a: 5 }, { a: 9 }), ['a']],
    ['a key that was deleted', compare({ a: 5, b: 7 }, { a: 5 }), ['b']],
    ['a key deleted and made again', compare({}, { a: 50 }, { deleted: { a: 40 } }), ['a']],
  ])('finds %s', (_, found, expected) => {
    expect(found).toEqual(expected)
  })

  it('takes what the watch told of later revisions as it is', () => {
    expect(compare({ a: 101, b: 102 }, { a: 5 }, { deleted: { c: 103 } })).toEqual([])
    expect(compare({}, { c: 5 }, { deleted: { c: 103 } })).toEqual([])
  })
})
