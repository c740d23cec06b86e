import { expect, it } from 'vitest'
import { clusterState } from './state.ts'
import { storeProblems } from './store-check.ts'

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

function problems(keys: Readonly<Record<string, object | ''>>): readonly string[] {
  const stored = new Map(Object.entries(keys).map(([path, value]) => [path, value === '' ? '' : JSON.stringify(value)]))
  return storeProblems(stored, clusterState(stored))
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
  ['addresses/web/10.0.0.3', { kind: 'ENDPOINT', endpointId: 'b' }],
  ['names/web/other', { endpointId: 'b' }],
  ['placements/h2/web/b', ''],
  ['vnis/6', { network: 'gone' }],
  ['addresses/gone/10.0.1.1', { kind: 'GATEWAY' }],
  ['released/gone/10.0.1.1', {}],
  ['history/gone/10.0.1.1/then/x', {}],
] as const)('finds %s, which is left', (path, value) => {
  expect(problems({ ...whole, [path]: value })).toEqual([`the store has ${path}, which belongs to nothing`])
})
