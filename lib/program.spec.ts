import { afterEach, expect, it, vi } from 'vitest'
import { OverlayError } from './errors.ts'
import { runProgram } from './program.ts'
import * as serviceManager from './service-manager.ts'

const { exitCode } = process
const events = ['SIGTERM', 'SIGINT'] as const
const before = events.map((event) => process.listeners(event))

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = exitCode
  events.forEach((event, at) => {
    for (const listener of process.listeners(event))
      if (!before[at]?.includes(listener)) process.off(event, listener as () => void)
  })
})

it('says what failed, also while stopping, and stops the rest all the same', async () => {
  const told: unknown[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(text) > 0)
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never)
  const stopped = vi.fn()
  await runProgram('test', async ({ defer }) => {
    defer(stopped)
    defer(() => {
      throw new OverlayError('unavailable', 'the session stays')
    })
    throw new OverlayError('invalid', 'no such thing')
  })
  expect(told).toEqual(['test: no such thing\n', 'test: while stopping: the session stays\n'])
  expect(stopped).toHaveBeenCalled()
  expect(process.exitCode).toBe(1)
  expect(exit).toHaveBeenCalled()
})

it('says it too when the service manager cannot be spoken to', async () => {
  const told: unknown[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(text) > 0)
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never)
  vi.spyOn(serviceManager, 'openServiceManager').mockRejectedValue(new OverlayError('internal', 'no socket'))
  await runProgram('test', async () => undefined)
  expect([told, process.exitCode]).toEqual([['test: no socket\n'], 1])
  expect(exit).toHaveBeenCalled()
})
