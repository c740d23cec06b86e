import { expect, test } from 'vitest'
import type { TestModule } from 'vitest/node'
import { tally } from './tally-reporter.ts'

type State = 'passed' | 'failed' | 'skipped' | 'pending'

/** As much of a module as is looked at. */
function moduleOf({ tests = [], suites = [], errors = 0 }: { tests?: State[]; suites?: number[]; errors?: number }) {
  const errorsOf = (count: number) => () => Array.from({ length: count }, () => ({ message: 'it failed' }))
  return {
    errors: errorsOf(errors),
    children: {
      allTests: () => tests.map((state) => ({ result: () => ({ state }) })),
      allSuites: () => suites.map((count) => ({ errors: errorsOf(count) })),
    },
  } as unknown as TestModule
}

test.each([
  [
    'tests',
    [moduleOf({ tests: ['passed', 'passed', 'failed'] }), moduleOf({ tests: ['skipped', 'pending'] })],
    [],
    'failed',
    '2 passed, 1 failed, 2 skipped',
  ],
  ['a file that cannot be loaded', [moduleOf({ errors: 1 })], [], 'failed', '0 passed, 1 failed, 0 skipped'],
  [
    'a beforeAll within a describe',
    [moduleOf({ tests: ['skipped'], suites: [0, 1] })],
    [],
    'failed',
    '0 passed, 1 failed, 1 skipped',
  ],
  [
    'an error that nobody handled',
    [moduleOf({ tests: ['passed'] })],
    [new Error('late')],
    'failed',
    '1 passed, 1 failed, 0 skipped',
  ],
  ['whatever else a run can fail by', [moduleOf({ tests: ['passed'] })], [], 'failed', '1 passed, 1 failed, 0 skipped'],
  [
    'a run that was interrupted',
    [moduleOf({ tests: ['passed', 'pending'] })],
    [],
    'interrupted',
    '1 passed, 1 failed, 1 skipped',
  ],
  [
    'a run without a fault',
    [moduleOf({ tests: ['passed'], suites: [0] })],
    [],
    'passed',
    '1 passed, 0 failed, 0 skipped',
  ],
] as const)('counts %s', (_, modules, unhandled, reason, line) => {
  expect(tally(modules, unhandled, reason)).toBe(line)
})
