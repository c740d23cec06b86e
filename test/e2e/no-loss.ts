/** Traffic that must not notice what is done to daemons and store. */
import { expect } from 'vitest'
import type { Netns } from '../lab/netns.ts'
import { startPinging } from '../lab/ping.ts'

/** Who pings which address. */
export type Route = readonly [from: Netns, address: string | undefined]

/** While `action` runs, all ping, a hundred times a second each, and every request is answered. */
export async function expectNoLoss(routes: readonly Route[], action: () => Promise<void>): Promise<void> {
  const pings = await Promise.all(routes.map(([from, address]) => startPinging(from, address ?? '')))
  await action()
  const counts = await Promise.all(pings.map((each) => each.stop()))
  expect(counts.map(({ lost }) => lost)).toEqual(routes.map(() => []))
  for (const { sent } of counts) expect(sent).toBeGreaterThan(10)
}
