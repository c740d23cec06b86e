import { describe, expect, it } from 'vitest'
import { Faults } from '../../lib/faults.ts'
import { CreateNetworkRequest, type Init, Network, UpdateNetworkRequest } from '../../proto/index.ts'
import { db, webInFull } from '../testing/records.ts'
import { planStep } from './plan.ts'
import { networksOf } from './read.ts'

const present = Network.create({
  name: 'web',
  uid: '7d1c',
  vni: 4711,
  subnets: [
    {
      cidr: '10.0.9.0/24',
      gateway: '10.0.9.1',
      ipRange: '10.0.9.128/25',
      auxAddresses: { a: '10.0.9.2', b: '10.0.9.3' },
    },
    { cidr: 'fd00:9::/64', gateway: 'fd00:9::1' },
  ],
  mtu: 1450,
  labels: { team: 'shop', tier: '1' },
  options: { x: 'y' },
  state: 'READY',
})

const absent = undefined

function plan(fields: string, before: Network | typeof absent) {
  const faults = new Faults()
  const [wanted] = networksOf([{ file: 'f', text: `{name: web, ${fields}}` }], faults)
  if (!wanted) throw new Error(faults.all.join('\n'))
  return planStep(wanted, before)
}

describe('a network that is not there', () => {
  const created: [fields: string, request: Init<CreateNetworkRequest>][] = [
    ['', {}],
    [
      'subnets: [{ cidr: 10.0.9.0/24, gateway: 10.0.9.9, ipRange: 10.0.9.0/25, auxAddresses: { a: 10.0.9.2 } }, fd00:9::/64]',
      {
        subnets: [
          { cidr: '10.0.9.0/24', gateway: '10.0.9.9', ipRange: '10.0.9.0/25', auxAddresses: { a: '10.0.9.2' } },
          { cidr: 'fd00:9::/64' },
        ],
      },
    ],
    ['subnets: [{ cidr: 10.0.9.0/24, ipRange: none }]', { subnets: [{ cidr: '10.0.9.0/24' }] }],
    ['ipv6: true, mtu: 1400, vni: 7', { ipv6: true, mtu: 1400, vni: 7 }],
    ['labels: { a: b }, options: { c: d }', { labels: { a: 'b' }, options: { c: 'd' } }],
    [
      'internal: true, multicast: true, eager: true, allowOverlap: true',
      { internal: true, multicast: true, eager: true, allowOverlap: true },
    ],
  ]

  it.each(created)('{%s} is created', (fields, request) => {
    const step = plan(fields, absent)
    expect({ ...step, request: CreateNetworkRequest.create('request' in step ? step.request : {}) }).toEqual({
      kind: 'create',
      request: CreateNetworkRequest.create({ name: 'web', ...request }),
    })
  })
})

it.each([
  '',
  'subnets: [10.0.9.0/24, "fd00:9:0::/64"]',
  'subnets: [], ipv6: true',
  'subnets: [10.0.9.0/24], ipv6: true',
  'subnets: [{ cidr: 10.0.9.0/24, gateway: 10.0.9.1, ipRange: 10.0.9.128/25, auxAddresses: { b: 10.0.9.3, a: 10.0.9.2 } }, { cidr: "fd00:9::/64", gateway: "fd00:9::0:1", ipRange: none }]',
  'mtu: 1450, vni: 4711',
  'labels: { tier: "1", team: shop }, options: { x: y }',
  'internal: false, multicast: false, eager: false, allowOverlap: false, ipv6: false',
])('{%s} is so already', (fields) => {
  expect(plan(fields, present)).toEqual({ kind: 'unchanged', present })
})

it.each([present, db, webInFull])('a network as it is printed is so already', (network) => {
  const faults = new Faults()
  const [wanted] = networksOf([{ file: 'f', text: JSON.stringify(Network.toJson(network)) }], faults)
  expect(faults.all).toEqual([])
  expect(wanted && planStep(wanted, network)).toEqual({ kind: 'unchanged', present: network })
})

const updated: [fields: string, request: Init<UpdateNetworkRequest>][] = [
  ['labels: { team: web, new: "" }', { labels: { team: 'web', new: '' }, removeLabels: ['tier'] }],
  ['labels: {}', { removeLabels: ['team', 'tier'] }],
  ['options: { constructor: x }', { options: { constructor: 'x' }, removeOptions: ['x'] }],
  ['mtu: 1400', { mtu: 1400 }],
  ['subnets: [10.0.8.0/23, fd00:9::/64]', { subnets: [{ cidr: '10.0.8.0/23' }] }],
  [
    'subnets: [{ cidr: 10.0.8.0/23, gateway: 10.0.9.1, ipRange: 10.0.8.0/24 }, { cidr: "fd00:8::/31" }]',
    { subnets: [{ cidr: '10.0.8.0/23', ipRange: '10.0.8.0/24' }, { cidr: 'fd00:8::/31' }] },
  ],
  ['subnets: [{ cidr: 10.0.9.0/24, ipRange: 10.0.9.0/25 }, fd00:9::/64]', { subnets: [{ ipRange: '10.0.9.0/25' }] }],
  ['subnets: [{ cidr: 10.0.9.0/24, ipRange: none }, fd00:9::/64]', { removeIpRanges: [4] }],
  ['subnets: [{ cidr: 10.0.9.0/24, ipRange: "" }, fd00:9::/64]', { removeIpRanges: [4] }],
  ['allowOverlap: true', { allowOverlap: true }],
]

it.each(updated)('{%s} is an update', (fields, request) => {
  const step = plan(fields, present)
  expect(step.kind).toBe('update')
  expect(UpdateNetworkRequest.create('request' in step ? step.request : {})).toEqual(
    UpdateNetworkRequest.create({ name: 'web', ...request }),
  )
})

const refused: [fields: string, faults: readonly string[]][] = [
  [
    'vni: 7, internal: true, multicast: true, eager: true, mtu: 1400',
    [
      'vni: is 4711 and cannot become 7',
      'internal: is false and cannot become true',
      'multicast: is false and cannot become true',
      'eager: is false and cannot become true',
    ],
  ],
  ['subnets: [10.0.9.0/24]', ['subnets: fd00:9::/64 is missing in the manifest, and a subnet cannot be taken away']],
  ['subnets: [10.0.9.0/25, fd00:9::/64]', ['subnets: 10.0.9.0/24 can only grow, and 10.0.9.0/25 does not contain it']],
  [
    'subnets: [10.0.10.0/23, fd00:9::/64]',
    ['subnets: 10.0.9.0/24 can only grow, and 10.0.10.0/23 does not contain it'],
  ],
  [
    'subnets: [{ cidr: 10.0.9.0/24, gateway: 10.0.9.254 }, fd00:9::/64]',
    ['subnets: the gateway of 10.0.9.0/24 is 10.0.9.1 and cannot become 10.0.9.254'],
  ],
  [
    'subnets: [{ cidr: 10.0.9.0/24, auxAddresses: { a: 10.0.9.2 } }, { cidr: "fd00:9::/64", auxAddresses: { c: "fd00:9::c" } }]',
    [
      'subnets: the auxiliary addresses of 10.0.9.0/24 are a=10.0.9.2,b=10.0.9.3 and cannot become a=10.0.9.2',
      'subnets: the auxiliary addresses of fd00:9::/64 are none and cannot become c=fd00:9::c',
    ],
  ],
]

it.each(refused)('{%s} is refused, with every reason', (fields, faults) => {
  expect(plan(fields, present)).toEqual({ kind: 'refused', faults })
})

describe('a network of one family', () => {
  const old = Network.create({ ...present, subnets: [present.subnets[0] ?? {}], allowOverlap: true })

  it.each([
    ['ipv6: true', ['ipv6: there is no IPv6 subnet, and none can be added']],
    ['subnets: [10.0.9.0/24, fd00:9::/64], ipv6: true', ['subnets: there is no IPv6 subnet, and none can be added']],
    [
      'subnets: [fd00:9::/64]',
      [
        'subnets: 10.0.9.0/24 is missing in the manifest, and a subnet cannot be taken away',
        'subnets: there is no IPv6 subnet, and none can be added',
      ],
    ],
    ['allowOverlap: false', ['allowOverlap: is true and cannot become false']],
  ])('{%s} is refused', (fields, faults) => {
    expect(plan(fields, old)).toEqual({ kind: 'refused', faults })
  })
})
