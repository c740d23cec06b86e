import { expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { auditsAfterChanges } from './audits.ts'

/** Audits that take the time that the test says, and pauses that it ends. */
function audited() {
  const stop = new AbortController()
  const pauses: { milliseconds: number; end: () => void }[] = []
  let clock = 0
  const test = {
    took: 1,
    audits: 0,
    failure: undefined as OverlayError | undefined,
    /** So long nothing happens. */
    quiet: (milliseconds: number) => void (clock += milliseconds),
  }
  const changed = auditsAfterChanges({
    audit: async () => {
      test.audits++
      clock += test.took
      if (test.failure) throw test.failure
    },
    signal: stop.signal,
    now: () => clock,
    wait: (milliseconds) => new Promise((resolve) => pauses.push({ milliseconds, end: resolve })),
  })
  const settle = () => new Promise(setImmediate)
  return {
    test,
    stop,
    changed: async (times = 1) => {
      for (let n = 0; n < times; n++) changed()
      await settle()
    },
    /** Ends the pause, and tells how long it would have been. */
    pauseOver: async () => {
      const { milliseconds, end } = pauses.shift() ?? { milliseconds: undefined, end: () => undefined }
      clock += milliseconds ?? 0
      end()
      await settle()
      return milliseconds
    },
  }
}

it('audits at once, and once more for all that changed in the pause', async () => {
  const { test, changed, pauseOver } = audited()
  await changed(3)
  expect(test.audits).toBe(1)
  await changed(100)
  expect(test.audits).toBe(1)
  expect(await pauseOver()).toBe(200)
  expect(test.audits).toBe(2)
  expect(await pauseOver()).toBe(200)
  expect(test.audits).toBe(2)
  await changed()
  expect(test.audits).toBe(3)
})

it('pauses as long as it needs to have a tenth of the time, when that was used up', async () => {
  const { test, changed, pauseOver } = audited()
  test.took = 900
  test.failure = new OverlayError('internal', 'no')
  const pauses: (number | undefined)[] = []
  for (let n = 0; n < 5; n++) {
    await changed()
    pauses.push(Math.round((await pauseOver()) ?? 0))
  }
  // 2,000 ms may go ahead of the share.
  expect(pauses.slice(0, 2)).toEqual([200, 200])
  expect(pauses[2]).toBeGreaterThan(4_000)
  const [before = 0, later = 0] = pauses.slice(3)
  expect([before, later].every((each) => each > 8_000 && each <= 10_000)).toBe(true)
})

it('may go ahead again after it was quiet, and never pauses for longer than ten seconds', async () => {
  const { test, changed, pauseOver } = audited()
  test.took = 60_000
  await changed()
  expect(await pauseOver()).toBe(10_000)
  test.quiet(3_600_000)
  test.took = 900
  await changed()
  expect(await pauseOver()).toBe(200)
})

it('ends with the signal', async () => {
  const { test, stop, changed, pauseOver } = audited()
  await changed()
  await changed()
  stop.abort()
  await pauseOver()
  expect(test.audits).toBe(1)
})
