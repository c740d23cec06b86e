import { expect, it } from 'vitest'
import { clusterState } from './state.ts'
import { remains, storeProblems } from './store-check.ts'

const id = 'a'.repeat(32)
const network = { name: 'web', uid: 'u', vni: 5, subnets: [{ cidr: '10.0.0.0/24', gateway: '10.0.0.1' }] }
const endpoint = { id, network: 'web', networkUid: 'u', name: 'db', node: 'h1', mac: 'm', addresses: ['10.0.0.2'] }
const whole: Readonly<Record<string, object | ''>> = {
  cluster: { uid: 'c' },
  'nodes/h1': { name: 'h1' },
  'networks/web': network,
  'vnis/5': { network: 'web' },
  'addresses/web/10.0.0.1': { kind: 'GATEWAY' },
  [`endpoints/web/${id}`]: endpoint,
  'addresses/web/10.0.0.2': { kind: 'ENDPOINT', endpointId: id },
  'names/web/db': { endpointId: id },
  'macs/web/m': { endpointId: id },
  [`placements/h1/web/${id}`]: '',
  'history/web/10.0.0.2/then/x': {},
  'released/web/10.0.0.9': {},
}

function stored(keys: Readonly<Record<string, object | ''>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(keys).map(([path, value]) => [path, value === '' ? '' : JSON.stringify(value)]))
}

function problems(keys: Readonly<Record<string, object | ''>>): readonly string[] {
  return storeProblems(stored(keys), clusterState(stored(keys)))
}

it('finds nothing where all belongs together', () => {
  expect(problems(whole)).toEqual([])
})

it.each([
  'vnis/5',
  'addresses/web/10.0.0.1',
  'addresses/web/10.0.0.2',
  'names/web/db',
  'macs/web/m',
  `placements/h1/web/${id}`,
])('finds that %s is missing', (path) => {
  const { [path]: _, ...others } = whole
  expect(problems(others)).toEqual([`the store lacks ${path}`])
})

it.each([
  ['vnis/5', { network: 'other' }, 'networks/other', 'networks/web'],
  ['addresses/web/10.0.0.1', { kind: 'ENDPOINT', endpointId: 'b' }, 'endpoints/web/b', 'networks/web'],
  ['addresses/web/10.0.0.2', { kind: 'AUXILIARY' }, 'nobody', `endpoints/web/${id}`],
  ['names/web/db', { endpointId: 'b' }, 'endpoints/web/b', `endpoints/web/${id}`],
  ['macs/web/m', { endpointId: 'b' }, 'endpoints/web/b', `endpoints/web/${id}`],
])('finds that %s names another', (path, value, named, owner) => {
  expect(problems({ ...whole, [path]: value })).toEqual([`${path} is of ${named}, not of ${owner}`])
})

it('finds two endpoints with one address, whichever of them it names', () => {
  const b = { ...endpoint, id: 'b', name: '', mac: 'n' }
  const both = { ...whole, 'endpoints/web/b': b, 'macs/web/n': { endpointId: 'b' }, 'placements/h1/web/b': '' } as const
  const wrong = (owner: string, other: string) => [
    `addresses/web/10.0.0.2 is of endpoints/web/${owner}, not of endpoints/web/${other}`,
  ]
  expect(problems(both)).toEqual(wrong(id, 'b'))
  expect(problems({ ...both, 'addresses/web/10.0.0.2': { kind: 'ENDPOINT', endpointId: 'b' } })).toEqual(wrong('b', id))
})

it.each([
  ['addresses/web/10.0.0.3', { kind: 'ENDPOINT', endpointId: 'b' }],
  ['names/web/other', { endpointId: 'b' }],
  ['placements/h2/web/b', ''],
  ['vnis/6', { network: 'gone' }],
  ['addresses/gone/10.0.1.1', { kind: 'GATEWAY' }],
  ['endpoints/gone/b', { id: 'b', network: 'gone' }],
  ['released/gone/10.0.1.1', {}],
  ['history/gone/10.0.1.1/then/x', {}],
] as const)('finds %s, which is left', (path, value) => {
  expect(problems({ ...whole, [path]: value })).toContain(`the store has ${path}, which belongs to nothing`)
})

it('lets nodes and what the cluster keeps remain at the end, and no drain', () => {
  const empty = { cluster: {}, 'nodes/h1': {}, 'sessions/h1': {}, 'vni-cursor': {} }
  expect(remains(stored(empty))).toEqual([])
  const drained = stored({ ...empty, 'drains/h1': {}, 'released/web/10.0.0.2': {} })
  expect(problems(whole)).toEqual(problems({ ...whole, 'drains/h1': {} }))
  expect(remains(drained)).toHaveLength(2)
})
