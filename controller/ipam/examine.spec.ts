import { describe, expect, it } from 'vitest'
import { AddressOwner, Network } from '../../proto/index.ts'
import { examine } from './examine.ts'
import type { Held, Moment } from './moment.ts'
import type { Suspicion } from './verdict.ts'

const web = Network.create({ name: 'web', uid: 'a', vni: 5000, subnets: [{ cidr: '10.0.0.0/15' }] })
const idOf = (n: number) => n.toString(16).padStart(32, '0')
const ipOf = (n: number) => `10.0.${n >> 8}.${n & 255}`
const macOf = (n: number) =>
  `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`

function heldOf(n: number): Held {
  const value = { addresses: [ipOf(n)], name: `e${n}`, mac: macOf(n), node: 'n1', networkUid: 'a' }
  return { network: 'web', below: idOf(n), value, createRevision: n }
}

/** So many endpoints, all in order; the endpoints and owners of addresses are given. */
function momentOf(count: number, endpoints: readonly Held[], owners: readonly (readonly [string, string])[]): Moment {
  const numbers = Array.from({ length: count }, (_, n) => n)
  const address = (owner: string) => AddressOwner.create({ kind: 'ENDPOINT', endpointId: owner, node: 'n1' })
  return {
    only: undefined,
    networks: new Map([['web', web]]),
    endpoints: new Map(endpoints.map((held) => [`web/${held.below}`, held])),
    addresses: owners.map(([below, owner]) => ({ network: 'web', below, value: address(owner) })),
    names: numbers.map((n) => ({ network: 'web', below: `e${n}`, value: { endpointId: idOf(n) } })),
    macs: numbers.map((n) => ({ network: 'web', below: macOf(n), value: { endpointId: idOf(n) } })),
    released: [],
    placements: numbers.map((n) => ({ node: 'n1', network: 'web', id: idOf(n) })),
    vnis: [{ vni: '5000', network: 'web' }],
    nodes: new Set(['n1']),
    sessions: new Set(['n1']),
    routed: [],
    tenures: numbers.map((n) => ({ network: 'web', below: `${ipOf(n)}/t/${idOf(n)}`, value: { endpointId: idOf(n) } })),
    journals: new Set(['web']),
    odd: new Set(),
  }
}

function look(moment: Moment): { readonly found: readonly string[]; readonly steps: number } {
  const looking = examine(moment, 0)
  const text = ({ kind, subject, endpointId }: Suspicion) => `${kind} ${subject} ${Number.parseInt(endpointId, 16)}`
  for (let steps = 0; ; steps++) {
    const { done, value } = looking.next()
    if (done) return { found: value.map(text), steps }
  }
}

describe('examine', () => {
  it('misses nothing among 20,000 endpoints, and lets others run in between', () => {
    const count = 20_000
    const endpoints = Array.from({ length: count }, (_, n) => heldOf(n))
    const owners = endpoints.map(({ value, below }) => [value.addresses[0] ?? '', below] as const)
    expect(look(momentOf(count, endpoints, owners)).found).toEqual([])
    const { found, steps } = look(
      momentOf(
        count,
        endpoints.filter((_, n) => n !== 10_000),
        owners.map(([ip, owner], n) => [ip, n === 15_000 ? idOf(1) : owner] as const),
      ),
    )
    expect(found.toSorted()).toEqual([
      `ENDPOINT_WITHOUT_OWNER ${ipOf(15_000)} 15000`,
      'OWNER_WITHOUT_ENDPOINT  10000',
      `OWNER_WITHOUT_ENDPOINT ${macOf(10_000)} 10000`,
      `OWNER_WITHOUT_ENDPOINT ${ipOf(10_000)} 10000`,
      'OWNER_WITHOUT_ENDPOINT e10000 10000',
    ])
    expect(steps).toBeGreaterThan(count * 5)
  })

  it('takes an address that is written otherwise for the same', () => {
    const odd = { ...heldOf(1), value: { ...heldOf(1).value, addresses: ['FD00:0::1', 'fd00::1'] } }
    expect(
      look(
        momentOf(
          2,
          [heldOf(0), odd],
          [
            [ipOf(0), idOf(0)],
            ['fd00::1', idOf(1)],
          ],
        ),
      ).found,
    ).toEqual([])
  })

  it('of several that have the same says who is too many', () => {
    const twins = [0, 1, 2].map((n) => ({ ...heldOf(n), value: { ...heldOf(n).value, addresses: [ipOf(9)] } }))
    expect(look(momentOf(3, twins, [[ipOf(9), idOf(1)]])).found).toEqual([
      `DUPLICATE ${ipOf(9)} 0`,
      `DUPLICATE ${ipOf(9)} 2`,
    ])
    expect(look(momentOf(3, twins, [[ipOf(9), idOf(7)]])).found).toEqual([
      `ENDPOINT_WITHOUT_OWNER ${ipOf(9)} 0`,
      `DUPLICATE ${ipOf(9)} 1`,
      `DUPLICATE ${ipOf(9)} 2`,
    ])
  })
})
