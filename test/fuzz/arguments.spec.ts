import { expect, it } from 'vitest'
import { readArguments } from './arguments.ts'
import { phases } from './phases.ts'

it('does everything unless it is told what', () => {
  expect(readArguments([])).toMatchObject({ requests: 1_000, phases, only: '' })
  expect(readArguments(['--seed', '7', '--requests', '30', 'records', 'sockets'])).toEqual({
    seed: 7,
    requests: 30,
    phases: ['sockets', 'records'],
    only: '',
  })
})

it('some RPCs only: then nothing but requests', () => {
  expect(readArguments(['--only', 'Networks/'])).toMatchObject({ phases: ['requests'], only: 'Networks/' })
  expect(readArguments(['--only', 'Networks/', 'requests', 'records'])).toMatchObject({
    phases: ['requests', 'records'],
  })
})

it.each([
  [['--only', 'Network/'], 'no RPC has Network/ in its name'],
  [['--only', 'Networks/', 'sockets'], '--only chooses among the RPCs of the phase requests'],
  [['request'], 'there is no phase request'],
  [['--requests', '0'], '--requests is a whole number from 1 on, not 0'],
  [['--requests', '1.5'], '--requests is a whole number from 1 on, not 1.5'],
  [['--seed', 'x'], '--seed is a whole number from 0 on, not x'],
  [['--seeds', '7'], "Unknown option '--seeds'"],
])('%j is refused', (args, message) => {
  expect(() => readArguments(args)).toThrow(message)
})
