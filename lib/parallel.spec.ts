import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { mapParallel } from './parallel.ts'

it('gives results in order, with no more at a time than allowed', async () => {
  let running = 0
  let most = 0
  const results = await mapParallel([5, 1, 3, 2, 4], 2, async (turns) => {
    most = Math.max(most, ++running)
    for (let n = 0; n < turns; n++) await turn()
    running--
    return turns * 10
  })
  expect(results).toEqual([50, 10, 30, 20, 40])
  expect(most).toBe(2)
  expect(await mapParallel([], 2, async () => 1)).toEqual([])
})

it('begins nothing more once one has failed', async () => {
  const begun: number[] = []
  const work = mapParallel([1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item)
    await turn()
    if (item === 1) throw new Error('no')
  })
  await expect(work).rejects.toThrow('no')
  await turn()
  expect(begun).toEqual([1, 2])
})
