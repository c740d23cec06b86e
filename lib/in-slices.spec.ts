import { expect, it } from 'vitest'
import { inSlices } from './in-slices.ts'

/** Each step takes a millisecond of work. */
function* working(steps: number): Generator<void, number> {
  for (let step = 0; step < steps; step++) {
    for (const begun = performance.now(); performance.now() - begun < 1; );
    yield
  }
  return steps
}

it('gives the result, and lets others run meanwhile', async () => {
  let turns = 0
  let ended = false
  const count = () => {
    turns++
    if (!ended) setImmediate(count)
  }
  setImmediate(count)
  expect(await inSlices(working(45))).toBe(45)
  ended = true
  expect(turns).toBeGreaterThanOrEqual(4)
})

it('passes a failure on, and ends when it is to end', async () => {
  const failing = {
    next: () => {
      throw new Error('broken')
    },
  }
  await expect(inSlices(failing)).rejects.toThrow('broken')
  await expect(inSlices(working(1_000), AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})
