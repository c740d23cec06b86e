/** Traffic that must not notice what is done meanwhile. */
import { expect } from 'vitest'
import { startPinging } from '../../lab/ping.ts'
import type { Workload } from './workload.ts'

/** While `action` runs, both ping each other a hundred times a second, and every request is answered. */
export async function expectNoLoss(one: Workload, other: Workload, action: () => Promise<void>): Promise<void> {
  const routes = [
    [one, other],
    [other, one],
  ] as const
  const pings = await Promise.all(routes.map(([from, to]) => startPinging(from.netns, to.address)))
  let counts
  try {
    await action()
  } finally {
    counts = await Promise.all(pings.map((each) => each.stop()))
  }
  expect(counts.map(({ lost }) => lost)).toEqual([[], []])
  for (const { sent } of counts) expect(sent).toBeGreaterThan(10)
}
