import { describe, expect, it } from 'vitest'
import { alignedText, tableText } from './table.ts'

const columns = [
  { heading: 'NAME', cell: (row: { name: string; note: string }) => row.name },
  { heading: 'NOTE', cell: (row: { name: string; note: string }) => row.note, wide: true },
  { heading: 'SIZE', cell: (row: { name: string; note: string }) => String(row.name.length) },
] as const
const now = new Date()

describe('tableText', () => {
  const rows = [
    { name: 'web', note: '' },
    { name: 'a-longer-name', note: 'hi' },
  ]

  it('aligns columns and leaves wide ones out', () => {
    expect(tableText(columns, rows, { now, wide: false })).toBe(
      ['NAME            SIZE', 'web             3', 'a-longer-name   13', ''].join('\n'),
    )
  })

  it('shows all columns when wide, and - for nothing', () => {
    expect(tableText(columns, rows, { now, wide: true })).toBe(
      ['NAME            NOTE   SIZE', 'web             -      3', 'a-longer-name   hi     13', ''].join('\n'),
    )
  })
})

it('alignedText shows control characters instead of sending them to the terminal', () => {
  expect(alignedText([['a\u001b[31m', 'b\n\u202e']])).toBe('a\\u{1b}[31m   b\\u{a}\\u{202e}\n')
})
