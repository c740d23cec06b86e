import { describe, expect, it } from 'vitest'
import { faultName, nextFault } from './faults.ts'
import { createRandom } from './random.ts'
import { clientSettings, decide } from './setting.ts'

const faults = (seed: number, count: number) => {
  const random = createRandom(seed, 'nemesis')
  return Array.from({ length: count }, () => nextFault(random))
}

describe('nextFault', () => {
  it('gives the same faults for the same seed', () => {
    expect(faults(1, 50)).toEqual(faults(1, 50))
    expect(faults(2, 50)).not.toEqual(faults(1, 50))
  })

  it('leaves the steady pair alone, and comes to every kind', () => {
    const all = faults(3, 3_000)
    for (const { fault } of all)
      if (fault.kind === 'cut' && fault.of === 'host-host') expect(fault.some).toEqual(['h3'])
    const names = new Set(all.map(({ fault }) => faultName(fault)))
    for (const name of [
      'kill agent',
      'kill every etcd',
      'freeze controller',
      'cut etcd-etcd one way',
      'drift inside',
      'compact etcd',
    ])
      expect(names).toContain(name)
  })
})

describe('decide', () => {
  it('gives the same for the same seed, and drains and forgets by one client only', () => {
    const [first, second] = clientSettings('000000')
    if (!first || !second) throw new Error('there are more')
    const decisions = (client: typeof first) => {
      const random = createRandom(1, client.name)
      return Array.from({ length: 500 }, () => decide(random, client))
    }
    expect(decisions(first)).toEqual(decisions(first))
    const kinds = (client: typeof first) => new Set(decisions(client).map(({ action }) => action.do))
    for (const kind of ['drain', 'forget'] as const) {
      expect(kinds(first)).toContain(kind)
      expect(kinds(second)).not.toContain(kind)
    }
  })
})
