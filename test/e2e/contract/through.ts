/**
 * Traffic through a fault: what each line of docs/outage-contract.md is held
 * by. Pings go on a hundred times a second while a fault comes and goes; what
 * they lost is printed with the line's number, and returned.
 */
import { expect } from 'vitest'
import type { Lab } from '../../lab/lab.ts'
import { type Member, mostPingsPerSecond, startPinging } from '../../lab/ping.ts'
import type { PingCount } from '../../lab/ping-count.ts'
import { showHostsOnFailure } from '../started-lab.ts'

/** Two who ping each other; a `Workload` is one such. */
export type Pair = readonly [Member, Member]

/** One direction of a pair, and what came of it. */
export interface Passage extends PingCount {
  readonly from: Member
  readonly to: Member
}

/**
 * Pings on all pairs, both ways, while `fault` runs: it makes the fault, heals
 * it, and waits until all is well. Prints `P1 agent killed: sent 1,204, lost 0`,
 * also when `fault` fails, and shows the hosts when the test does.
 */
export async function through(
  lab: Lab,
  line: string,
  pairs: readonly Pair[],
  fault: () => Promise<unknown>,
): Promise<readonly Passage[]> {
  showHostsOnFailure(lab)
  const directions = pairs.flatMap(([a, b]) => [
    { from: a, to: b },
    { from: b, to: a },
  ])
  const pings = await Promise.all(directions.map(({ from, to }) => startPinging(from.sandbox, to.address)))
  let passages: readonly Passage[] = []
  try {
    await fault()
  } finally {
    const counts = await Promise.all(pings.map((each) => each.stop()))
    passages = directions.flatMap((direction, at) => ({ ...direction, ...(counts[at] ?? none) }))
    console.log(summary(line, passages))
  }
  return passages
}

const none: PingCount = { sent: 0, received: 0, lost: [] }

/** Those of the two, both ways. */
export function ofPair(passages: readonly Passage[], [a, b]: Pair): readonly Passage[] {
  return passages.filter(({ from, to }) => (from === a && to === b) || (from === b && to === a))
}

/** Every request was answered, and there were some. */
export function expectNoneLost(passages: readonly Passage[]): void {
  expectLostAtMost(passages, 0)
}

/** No direction lost more than what is sent in so many seconds. */
export function expectLostAtMost(passages: readonly Passage[], seconds: number): void {
  expect(passages).not.toEqual([])
  for (const passage of passages) {
    expect(passage.sent).toBeGreaterThan(10)
    const { lost } = passage
    expect(lost.length, `${nameOf(passage)} lost ${ranges(lost)} of ${passage.sent}`).toBeLessThanOrEqual(
      seconds * mostPingsPerSecond,
    )
  }
}

/** For example `P1 agent killed: sent 1,204, lost 0`; who lost some is named. */
export function summary(line: string, passages: readonly Passage[]): string {
  const total = (of: (passage: Passage) => number) =>
    passages.reduce((sum, passage) => sum + of(passage), 0).toLocaleString('en-US')
  const losers = passages.filter(({ lost }) => lost.length > 0)
  const named = losers.map((passage) => `${nameOf(passage)} ${passage.lost.length.toLocaleString('en-US')}`)
  const detail = losers.length > 0 && passages.length > 1 ? ` (${named.join(', ')})` : ''
  return `${line}: sent ${total(({ sent }) => sent)}, lost ${total(({ lost }) => lost.length)}${detail}`
}

function nameOf({ from, to }: Passage): string {
  return `${from.sandbox.name} to ${to.sandbox.name}`
}

/** For example `3-17, 20`. */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last && last[1] === number - 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ')
}
