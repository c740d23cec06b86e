import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Faults } from '../../lib/faults.ts'
import { cidrAt, contains, formatIp, hostRange, ipValue } from '../../lib/ip.ts'
import { readUpdate } from '../../lib/requests/update-network.ts'
import { type Init, Network, UpdateNetworkRequest } from '../../proto/index.ts'
import { planUpdate } from './plan-update.ts'

const web = Network.create({
  name: 'web',
  uid: 'u',
  vni: 5000,
  mtu: 1450,
  subnets: [
    { cidr: '10.0.9.0/24', gateway: '10.0.9.1', ipRange: '10.0.9.128/25', auxAddresses: { router: '10.0.9.254' } },
    { cidr: 'fd00:9::/80', gateway: 'fd00:9::1' },
  ],
  labels: { a: '1', b: '2' },
  options: { x: 'y' },
})
const web4 = Network.create({ ...web, subnets: web.subnets.slice(0, 1) })

function update(init: Init<UpdateNetworkRequest>, network = web) {
  const request = UpdateNetworkRequest.create({ name: network.name, ...init })
  const faults = new Faults()
  const plan = planUpdate(faults, network, readUpdate(faults, request))
  faults.throwIfAny()
  return plan
}

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, '']))

describe('planUpdate', () => {
  it.each<[string, Init<UpdateNetworkRequest>]>([
    ['nothing', {}],
    ['what is there', { labels: { a: '1' }, options: { x: 'y' }, mtu: 1450 }],
    ['the removal of what is not there', { removeLabels: ['c'], removeOptions: ['z'] }],
    ['the removal of a range that is not there', { removeIpRanges: [6] }],
    [
      'the present subnets',
      {
        subnets: [
          {
            cidr: '10.0.9.0/24',
            gateway: '10.0.9.1',
            ipRange: '10.0.9.128/25',
            auxAddresses: { router: '10.0.9.254' },
          },
          { cidr: 'FD00:9:0::/80', gateway: 'fd00:9:0::1' },
        ],
      },
    ],
  ])('changes nothing with %s', (_, init) => {
    expect(update(init)).toEqual({ network: web, changed: false, grown: [], mtu: undefined })
  })

  it.each<[Init<UpdateNetworkRequest>, Init<Network>]>([
    [{ labels: { a: '3', c: '4' }, removeLabels: ['b', 'z'] }, { labels: { a: '3', c: '4' } }],
    [{ options: { n: '' }, removeOptions: ['x'] }, { options: { n: '' } }],
    [{ mtu: 1280 }, { mtu: 1280 }],
    [{ allowOverlap: true }, { allowOverlap: true }],
    [{ removeIpRanges: [4] }, { subnets: [{ ...web.subnets[0], ipRange: '' }, { ...web.subnets[1] }] }],
    [
      { subnets: [{ ipRange: '10.0.9.0/26' }, { ipRange: 'fd00:9::/96' }] },
      {
        subnets: [
          { ...web.subnets[0], ipRange: '10.0.9.0/26' },
          { ...web.subnets[1], ipRange: 'fd00:9::/96' },
        ],
      },
    ],
    [
      { subnets: [{ cidr: 'fd00:9::/64' }, { cidr: '10.0.8.0/23', ipRange: '10.0.8.0/24' }] },
      {
        subnets: [
          { ...web.subnets[0], cidr: '10.0.8.0/23', ipRange: '10.0.8.0/24' },
          { ...web.subnets[1], cidr: 'fd00:9::/64' },
        ],
      },
    ],
  ])('with %j changes just that', (init, expected) => {
    const plan = update(init)
    expect(plan.changed).toBe(true)
    expect(plan.network).toEqual(Network.create({ ...web, ...expected }))
  })

  it('tells what has to be checked against others', () => {
    const plan = update({ subnets: [{ cidr: '10.0.8.0/23' }], mtu: 1400 })
    expect(plan.grown.map(({ present, cidr }) => [present.text, cidr.text])).toEqual([['10.0.9.0/24', '10.0.8.0/23']])
    expect(plan.mtu).toBe(1400)
  })

  it.each<[Init<UpdateNetworkRequest>, string]>([
    [{ labels: { '-': '' } }, 'labels: "-" is not a key'],
    [{ options: { a: 'x\n' } }, 'options: the value of "a" has control characters'],
    [{ labels: { c: '' }, removeLabels: ['c'] }, 'labels: "c" is both set and removed'],
    [{ options: { c: '' }, removeOptions: ['c'] }, 'options: "c" is both set and removed'],
    [{ labels: many(63) }, 'labels: 65 in all are too many (at most 64): remove some'],
    [{ labels: many(65) }, 'labels: 65 are too many (at most 64)'],
    [{ mtu: 575 }, 'mtu: 575 is out of range: 576, or 1280 with IPv6, to 65485'],
    [{ mtu: 1279 }, 'mtu: 1279 is out of range: 576, or 1280 with IPv6, to 65485'],
    [{ mtu: 65_486 }, 'mtu: 65486 is out of range'],
    [{ removeIpRanges: [5] }, 'removeIpRanges: 5 is no family: give 4 or 6'],
    [{ removeIpRanges: [4], subnets: [{ ipRange: '10.0.9.0/25' }] }, 'that of IPv4 is both given and removed'],
    [{ subnets: [{}] }, 'subnets: one of them is empty'],
    [{ subnets: [{ cidr: '10.0.8.0/23', ipRange: 'fd00:9::/96' }] }, 'are of both families'],
    [{ subnets: [{ cidr: '10.0.8.0/23' }, { ipRange: '10.0.9.0/25' }] }, 'subnets: IPv4 is given 2 times'],
    [{ subnets: Array.from({ length: 9 }, () => ({ ipRange: '10.0.9.0/25' })) }, 'subnets: 9 are too many'],
    [{ subnets: [{ cidr: 'x' }] }, 'subnet: "x" is not a subnet'],
    [{ subnets: [{ cidr: '10.0.9.0/23' }] }, 'did you mean 10.0.8.0/23?'],
    [{ subnets: [{ ipRange: 'x' }] }, 'ipRange: "x" is not a range'],
    [{ subnets: [{ gateway: 'x' }] }, 'gateway: "x" is not an IP address'],
    [{ subnets: [{ auxAddresses: { router: 'x' } }] }, 'auxAddresses: router: "x" is not an IP address'],
    [
      { subnets: [{ cidr: '10.0.9.0/25' }] },
      'subnet: 10.0.9.0/25 is smaller than 10.0.9.0/24, and a subnet cannot shrink',
    ],
    [
      { subnets: [{ cidr: '10.0.10.0/24' }] },
      'does not contain 10.0.9.0/24, which has to stay: name one that does (for example 10.0.8.0/23)',
    ],
    [{ subnets: [{ cidr: '8.0.0.0/5' }] }, 'subnet: 8.0.0.0/5 is too large (at most /8)'],
    [{ subnets: [{ cidr: 'fd00:9::/40' }] }, 'subnet: fd00:9::/40 is too large (at most /48)'],
    [{ subnets: [{ cidr: '10.0.8.0/23', ipRange: '10.0.7.0/24' }] }, 'ipRange: 10.0.7.0/24 is not in 10.0.8.0/23'],
    [{ options: { encrypted: '' } }, 'options: encrypted: there is no encryption yet'],
    [{ subnets: [{ ipRange: '10.0.8.0/24' }] }, 'ipRange: 10.0.8.0/24 is not in 10.0.9.0/24: name a part of it'],
    [{ subnets: [{ ipRange: '10.0.9.254/31' }] }, 'ipRange: 10.0.9.254/31 has no address for an endpoint'],
    [{ subnets: [{ gateway: '10.0.9.2' }] }, 'gateway: it is 10.0.9.1 and cannot become 10.0.9.2'],
    [
      { subnets: [{ auxAddresses: { router: '10.0.9.253' } }] },
      'auxAddresses: they are router=10.0.9.254 and cannot become router=10.0.9.253: leave them out',
    ],
    [
      { subnets: [{ auxAddresses: { router: '10.0.9.254', b: '10.0.9.7' } }] },
      'cannot become router=10.0.9.254, b=10.0.9.7',
    ],
    [{ subnets: [{ auxAddresses: { a: 'fd00:9::7' } }] }, 'auxAddresses: they are none and cannot become a=fd00:9::7'],
  ])('refuses %j: %s', (init, why) => {
    expect(() => update(init)).toThrow(why)
  })

  it.each<[Init<UpdateNetworkRequest>]>([[{ subnets: [{ cidr: 'fd00:9::/64' }] }], [{ removeIpRanges: [6] }]])(
    'refuses another family: %j',
    (init) => {
      expect(() => update(init, web4)).toThrow(
        'subnets: network web has no IPv6 subnet, and none can be added: make another network (overlayctl create --config-from web',
      )
    },
  )

  it('names every fault at once', () => {
    const request: Init<UpdateNetworkRequest> = {
      labels: { '-': '' },
      options: { '': '' },
      mtu: 1279,
      removeIpRanges: [5],
      subnets: [{ cidr: '10.0.9.0/25', gateway: '10.0.9.2', ipRange: '10.0.8.0/24' }, { cidr: 'y' }],
    }
    for (const part of ['labels: "-"', 'options: ""', 'mtu: 1279', '5 is no family', 'cannot shrink'])
      expect(() => update(request)).toThrow(part)
    for (const part of ['cannot become 10.0.9.2', '10.0.8.0/24 is not in', '"y" is not a subnet'])
      expect(() => update(request)).toThrow(part)
  })

  it('keeps every address of a subnet that grows one that a host can have', () => {
    const family = fc.constantFrom(4 as const, 6 as const)
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(family, share, share, share, (family, where, size, which) => {
        const [widest, narrowest] = family === 4 ? [8, 30] : [64, 126]
        const at = (family === 4 ? 10n << 24n : 0xfdn << 120n) + BigInt(Math.floor(where * 2 ** 24))
        const prefix = widest + 1 + Math.floor(size * (narrowest - widest - 1))
        const present = cidrAt(family, at, prefix)
        const grown = cidrAt(family, at, widest + Math.floor(which * (prefix - widest)))
        const hosts = hostRange(present)
        const network = Network.create({
          name: 'n',
          mtu: 1450,
          subnets: [{ cidr: present.text, gateway: formatIp(family, hosts.first) }],
        })
        expect(update({ subnets: [{ cidr: grown.text }] }, network).network.subnets[0]?.cidr).toBe(grown.text)
        for (const value of [hosts.first, hosts.last]) {
          const ip = formatIp(family, value)
          expect(contains(grown, ip)).toBe(true)
          expect(ipValue(ip)).toBeGreaterThanOrEqual(hostRange(grown).first)
          expect(ipValue(ip)).toBeLessThanOrEqual(hostRange(grown).last)
        }
      }),
    )
  })
})
