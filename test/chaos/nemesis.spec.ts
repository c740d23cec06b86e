import { describe, expect, it } from 'vitest'
import type { ChaosDaemon } from './daemons.ts'
import { createNemesis } from './nemesis.ts'
import type { Random } from './random.ts'

/** Always the first there is: every agent is killed. */
const first: Random = {
  next: () => 0,
  below: () => 0,
  chance: () => true,
  pick([one]) {
    if (one === undefined) throw new RangeError('there is nothing to pick from')
    return one
  },
  weighted: (weights) => Object.keys(weights)[0] as keyof typeof weights,
}

/** Of a cluster whose daemons behave so. */
function nemesis(behaviour: Pick<ChaosDaemon, 'kill' | 'start'>) {
  const daemon = { running: true } as ChaosDaemon['daemon']
  const agents = ['h1', 'h2', 'h3'].map((name) => [name, { name, kind: 'agent', daemon, ...behaviour }] as const)
  return createNemesis({
    lab: { members: new Map(), etcdMembers: [], host: () => expect.fail('no host is asked for') },
    daemons: { all: new Map(agents), start: async () => undefined, endedByThemselves: () => [] },
    cuts: { cut: async () => async () => undefined, heal: async () => undefined },
    random: first,
    steadyVni: 1,
    now: () => 0,
    known: () => 0,
  })
}

const fine = async () => undefined
const fails = async () => Promise.reject(new Error('it goes on'))

describe('rage', () => {
  it.each([
    ['brought about', { kill: fails, start: fine }],
    ['ended', { kill: fine, start: fails }],
  ])('ends with the failure of a fault that cannot be %s', async (_, behaviour) => {
    const made = nemesis(behaviour)
    await expect(made.rage(new AbortController().signal)).rejects.toThrow('fault "kill h1, h2, h3": Error: it goes on')
    expect(made.story.at(-1)).toContain('failed: kill h1, h2, h3')
  })

  it('does not keep the place of one that could not be brought about', async () => {
    let times = 0
    const made = nemesis({ kill: async () => (times++ === 0 ? fails() : undefined), start: fine })
    await expect(made.rage(new AbortController().signal)).rejects.toThrow('it goes on')
    const ending = new AbortController()
    const again = made.rage(ending.signal)
    await expect.poll(() => made.counts.get('kill every agent')).toBeGreaterThan(0)
    ending.abort()
    await again
  })
})
