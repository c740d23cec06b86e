import { describe, expect, it } from 'vitest'
import { Network } from '../proto/index.ts'
import type { Entry, Update } from '../store/store.ts'
import { bringUpToDate } from './differences.ts'

const entry = (name: string, mtu: number, createRevision = 1, modRevision = createRevision): Entry<Network> => {
  const value = Network.create({ name, mtu })
  return { path: `networks/${name}`, value, json: Network.toJson(value), createRevision, modRevision }
}
const snapshot = (...entries: Entry<Network>[]): Update<Network> => ({
  kind: 'snapshot',
  entries,
  paths: entries.map(({ path }) => path),
  revision: 9,
  historyBroken: true,
})

function told(before: Entry<Network>[], update: Update<Network>): string[] {
  const entries = new Map(before.map((one) => [one.path, one]))
  return bringUpToDate(entries, update).map((difference) =>
    difference.kind === 'removed'
      ? `removed ${difference.before.name}`
      : `${difference.kind} ${difference.now.name} ${difference.now.mtu}`,
  )
}

describe('bringUpToDate', () => {
  it('tells of a snapshot only what differs', () => {
    const before = [entry('gone', 1), entry('same', 2), entry('changed', 3), entry('reborn', 4)]
    const now = [entry('same', 2, 7), entry('changed', 30, 1, 8), entry('reborn', 40, 8), entry('new', 5)]
    expect(told(before, snapshot(...now))).toEqual([
      'removed gone',
      'updated changed 30',
      'removed reborn',
      'created reborn 40',
      'created new 5',
    ])
  })

  it('keeps what a snapshot has, but cannot be read', () => {
    const unreadable = { ...snapshot(), paths: ['networks/kept'] }
    expect(told([entry('kept', 1), entry('gone', 2)], unreadable)).toEqual(['removed gone'])
  })

  it('tells changes in their order', () => {
    const changes: Update<Network> = {
      kind: 'changes',
      revision: 9,
      changes: [
        { kind: 'put', entry: entry('a', 1) },
        { kind: 'put', entry: entry('a', 2, 1, 2) },
        { kind: 'delete', path: 'networks/a', modRevision: 3 },
        { kind: 'delete', path: 'networks/never-seen', modRevision: 4 },
      ],
    }
    expect(told([], changes)).toEqual(['created a 1', 'updated a 2', 'removed a'])
  })
})
