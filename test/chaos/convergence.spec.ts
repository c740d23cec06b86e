import { expect, it } from 'vitest'
import { dueAt, waitedFor } from './convergence.ts'
import type { Operation } from './operations.ts'

it.each([
  ['from the heal', 1_100, 11_000],
  ['from the heal, however long a client waited', 7_900, 11_000],
  ['and leaves time after the last answer', 10_900, 13_900],
])('the bound counts %s', (_, answered, due) => {
  expect(dueAt({ healed: 1_000, answered }, 10_000)).toBe(due)
})

it('names the calls that were answered after the heal', () => {
  const action = { do: 'undrain', via: 'controller-1', node: 'h3' } as const
  const call = (end: number): Operation => ({ client: `c${end}`, start: 0, end, action, outcome: { is: 'done' } })
  expect(waitedFor({ healed: 1_000, answered: 1_000 }, [call(900)])).toEqual([])
  expect(waitedFor({ healed: 1_000, answered: 9_500 }, [call(900), call(9_500)])).toEqual([
    'the first look came 8.5 s after the faults, when these had been answered:',
    '0.000-9.500 c9500: undrain h3 (controller-1) -> done',
  ])
})
