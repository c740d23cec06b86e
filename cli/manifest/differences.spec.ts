import { expect, it } from 'vitest'
import { Network } from '../../proto/index.ts'
import { differencesText, fieldDifferences } from './differences.ts'

const before = Network.create({
  name: 'web',
  vni: 4711,
  subnets: [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1', ipRange: '10.0.9.128/25' }],
  mtu: 1450,
  labels: { team: 'shop', tier: '1' },
})

it('tells two states of a network apart', () => {
  const after = Network.create({
    ...before,
    subnets: [{ cidr: '10.0.8.0/23', gateway: '10.0.9.1' }],
    mtu: 1400,
    labels: { team: 'web', mood: '' },
    allowOverlap: true,
  })
  expect(differencesText('web', false, fieldDifferences(before, after), () => '')).toBe(`~ network web
- IPv4 subnet: 10.0.9.0/24
+ IPv4 subnet: 10.0.8.0/23
- mtu: 1450
+ mtu: 1400
+ labels.mood: 
- labels.team: shop
+ labels.team: web
+ allowOverlap: true
- IPv4 ipRange: 10.0.9.128/25
- labels.tier: 1
`)
})

it('has nothing to tell of a network that stays', () => {
  expect(fieldDifferences(before, { ...before, uid: 'x', status: null })).toEqual([])
})

it('shows all of a network that is new, with remarks', () => {
  const after = Network.create({
    ...before,
    subnets: [{ cidr: 'fd00:9::/64', gateway: 'fd00:9::1', auxAddresses: { b: 'fd00:9::b', a: 'fd00:9::a' } }],
    options: { x: 'bell \u0007' },
    multicast: true,
  })
  const remark = (field: string) => (field === 'vni' ? ' (chosen)' : '')
  expect(differencesText('web', true, fieldDifferences(undefined, after), remark)).toBe(`+ network web
+ vni: 4711 (chosen)
+ IPv6 subnet: fd00:9::/64
+ IPv6 gateway: fd00:9::1
+ IPv6 auxAddresses.a: fd00:9::a
+ IPv6 auxAddresses.b: fd00:9::b
+ mtu: 1450
+ labels.team: shop
+ labels.tier: 1
+ options.x: bell \\u{7}
+ multicast: true
`)
})
