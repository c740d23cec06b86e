import { expect, it, vi } from 'vitest'
import { silent } from '../testing/cluster.ts'
import { refuseOtherName, rememberSeen } from './memory.ts'
import type { Memory, StateDir } from './state-dir.ts'

function dirWith(memory?: Memory) {
  const writeMemory = vi.fn<StateDir['writeMemory']>()
  return { path: '/state', readMemory: () => memory, writeMemory }
}
const before = { clusterUid: 'c1', revision: 7, generation: 3, node: 'host-1' }

it.each([
  ['for the first time', undefined, { revision: 5, generation: 2 }, { revision: 5, generation: 2 }],
  ['a newer revision', before, { revision: 8, generation: 3 }, { revision: 8, generation: 3 }],
  ['another generation, but no older revision', before, { revision: 6, generation: 9 }, { revision: 7, generation: 9 }],
  ['no generation: the last one', before, { revision: 8, generation: undefined }, { revision: 8, generation: 3 }],
  [
    'that not all nodes are resynced',
    { ...before, wentBackTo: 5 },
    { revision: 8, generation: 3 },
    { revision: 8, generation: 3, wentBackTo: 5 },
  ],
  ['nothing new', before, { revision: 6, generation: undefined }, undefined],
])('remembers %s', (_, memory, seen, written) => {
  const dir = dirWith(memory)
  rememberSeen(dir, { clusterUid: 'c1', node: 'host-1', ...seen }, silent)
  expect(dir.writeMemory.mock.calls).toEqual(written ? [[{ clusterUid: 'c1', node: 'host-1', ...written }]] : [])
})

it('goes on where it cannot be written', () => {
  const dir = dirWith()
  dir.writeMemory.mockImplementation(() => {
    throw new Error('disk full')
  })
  expect(() =>
    rememberSeen(dir, { clusterUid: 'c1', node: 'host-1', revision: 5, generation: 2 }, silent),
  ).not.toThrow()
})

it('refuses another node name', () => {
  expect(() => refuseOtherName(dirWith(), 'host-2')).not.toThrow()
  expect(() => refuseOtherName(dirWith(before), 'host-1')).not.toThrow()
  expect(() => refuseOtherName(dirWith(before), 'host-2')).toThrow('is that of node "host-1": start the agent with')
})
