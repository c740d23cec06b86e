import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatIp, hostRange, type Ip, ipValue, parseCidr } from '../../lib/ip.ts'
import { type Init, Network, type Subnet, type SubnetUsage } from '../../proto/index.ts'
import { type AddressesInUse, subnetUsage } from './usage.ts'

const networkOf = (...subnets: Init<Subnet>[]) => Network.create({ name: 'web', subnets })

const hosts = (prefix: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => `${prefix}${from + n}`)

/** All steps at once. */
function usageOf(network: Network, inUse: AddressesInUse): SubnetUsage[] {
  const steps = subnetUsage(network, inUse)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

describe('subnetUsage', () => {
  it.each([
    ['an empty IPv4 subnet', { cidr: '10.0.9.0/24', gateway: '10.0.9.1' }, [], [], '0 1 0 253 253 0.39'],
    ['the gateway’s own key', { cidr: '10.0.9.0/24', gateway: '10.0.9.1' }, ['10.0.9.1'], [], '0 1 0 253 253 0.39'],
    [
      'endpoints, auxiliary addresses, quarantine',
      { cidr: '10.0.9.0/28', gateway: '10.0.9.1', auxAddresses: { router: '10.0.9.2', nas: '10.0.9.14' } },
      ['10.0.9.1', '10.0.9.2', '10.0.9.14', '10.0.9.3', '10.0.9.4'],
      ['10.0.9.5', '10.0.9.6'],
      '2 3 2 7 7 35.71',
    ],
    [
      'what is owned is not in quarantine as well',
      { cidr: '10.0.9.0/28', gateway: '10.0.9.1' },
      ['10.0.9.3'],
      ['10.0.9.3', '10.0.9.1'],
      '1 1 0 12 12 14.28',
    ],
    [
      'what is no host of the subnet',
      { cidr: '10.0.9.0/28', gateway: '10.0.9.1' },
      ['10.0.9.0', '10.0.9.15', '10.0.8.3', 'fd00::3', 'web', ''],
      ['10.0.9.16'],
      '0 1 0 13 13 7.14',
    ],
    [
      'a range',
      { cidr: '10.0.9.0/24', gateway: '10.0.9.1', ipRange: '10.0.9.8/29', auxAddresses: { nas: '10.0.9.9' } },
      ['10.0.9.3', '10.0.9.8', '10.0.9.10'],
      ['10.0.9.11', '10.0.9.200'],
      '3 2 2 247 4 37.5',
    ],
    [
      'a range that has the network’s address: no host has it',
      { cidr: '10.0.9.0/24', gateway: '10.0.9.1', ipRange: '10.0.9.0/30' },
      hosts('10.0.9.', 1, 3),
      [],
      '2 1 0 251 0 100',
    ],
    ['all in use but one that rests', { cidr: '10.0.9.0/30', gateway: '10.0.9.1' }, [], ['10.0.9.2'], '0 1 1 0 0 50'],
    ['nothing left', { cidr: '10.0.9.0/30', gateway: '10.0.9.1' }, ['10.0.9.2'], [], '1 1 0 0 0 100'],
    [
      'a range of no host',
      { cidr: '10.0.9.0/24', gateway: '10.0.9.1', ipRange: '10.0.9.0/32' },
      [],
      [],
      '0 1 0 253 0 100',
    ],
    [
      'IPv6: without the subnet-router address',
      { cidr: 'fd00:9::/64', gateway: 'fd00:9::1' },
      ['fd00:9::', 'fd00:9::2', 'fd00:9::ffff:ffff:ffff:ffff'],
      ['fd00:9::3'],
      '2 1 1 18446744073709551611 18446744073709551611 0',
    ],
    [
      'a small range of a large subnet',
      { cidr: 'fd00:9::/64', gateway: 'fd00:9::1', ipRange: 'fd00:9::10/124' },
      hosts('fd00:9::', 10, 12),
      [],
      '3 1 0 18446744073709551611 13 18.75',
    ],
  ] as const)('%s', (_, subnet, owned, released, expected) => {
    const [usage] = usageOf(networkOf(subnet), { owned, released })
    expect(usage?.cidr).toBe(subnet.cidr)
    const { used, reserved, quarantined, free, freeInRange, percentUsed } = usage ?? {}
    expect([used, reserved, quarantined, free, freeInRange, percentUsed].join(' ')).toBe(expected)
  })

  it('of several subnets each counts its own, in their order', () => {
    const network = networkOf(
      { cidr: 'fd00:9::/120', gateway: 'fd00:9::1' },
      { cidr: '10.0.9.0/24', gateway: '10.0.9.1' },
    )
    const owned = ['10.0.9.1', '10.0.9.2', 'fd00:9::1', 'fd00:9::2', 'fd00:9::3']
    expect(usageOf(network, { owned, released: [] }).map(({ cidr, used }) => [cidr, used])).toEqual([
      ['fd00:9::/120', 2],
      ['10.0.9.0/24', 1],
    ])
  })

  it('tells reservations from endpoints where they are named', () => {
    const network = networkOf({ cidr: '10.0.9.0/24', gateway: '10.0.9.1' })
    const owned = ['10.0.9.2', '10.0.9.3']
    expect(usageOf(network, { owned, released: [], reservations: ['10.0.9.3'] })).toMatchObject([
      { used: 1, reserved: 2, free: '251' },
    ])
  })

  it('is as a count of each address by itself', () => {
    const cidr = fc.constantFrom('10.0.9.0/28', 'fd00:9::f0/124').map(parseCidr)
    const offsets = fc.array(fc.integer({ min: -2, max: 18 }), { maxLength: 20 })
    const range = fc.option(fc.record({ at: fc.integer({ min: 0, max: 3 }) }))
    fc.assert(
      fc.property(
        cidr,
        offsets,
        offsets,
        offsets,
        range,
        ({ text, family, first }, owned, released, reserved, part) => {
          const ip = (offset: number) => formatIp(family, first + BigInt(offset))
          const length = text.split('/')[1] === '28' ? 30 : 126
          const ipRange = part ? `${ip(part.at * 4)}/${length}` : ''
          const network = networkOf({ cidr: text, gateway: ip(1), ipRange })
          const [usage] = usageOf(network, {
            owned: owned.map(ip),
            released: released.map(ip),
            reservations: reserved.map(ip),
          })
          const bounds = hostRange(parseCidr(text))
          const state = (address: Ip) => {
            if (address === ip(1) || reserved.map(ip).includes(address)) return 'reserved'
            if (owned.map(ip).includes(address)) return 'used'
            return released.map(ip).includes(address) ? 'quarantined' : 'free'
          }
          const all = Array.from({ length: 16 }, (_, n) => ip(n)).filter(
            (address) => bounds.first <= ipValue(address) && ipValue(address) <= bounds.last,
          )
          const chosen = all.filter((_, n) => {
            const position = Number(ipValue(all[n] as Ip) - first)
            return !part || (part.at * 4 <= position && position < part.at * 4 + 4)
          })
          const count = (addresses: readonly Ip[], ...states: string[]) =>
            addresses.filter((address) => states.includes(state(address))).length
          expect(usage).toEqual({
            cidr: text,
            used: count(all, 'used'),
            reserved: count(all, 'reserved'),
            quarantined: count(all, 'quarantined'),
            free: String(count(all, 'free')),
            freeInRange: String(count(chosen, 'free')),
            percentUsed: Math.floor((count(chosen, 'used', 'reserved') * 10_000) / chosen.length) / 100,
          })
        },
      ),
    )
  })

  it.each([
    ['10.0.0.0/16', (n: number) => `10.0.${n >> 8}.${n & 255}`],
    ['fd00:9::/64', (n: number) => `fd00:9::${(n + 2).toString(16)}`],
  ])('counts 50,000 addresses of %s in a moment', (cidr, address) => {
    const network = networkOf({ cidr, gateway: address(1) })
    const owned = Array.from({ length: 50_000 }, (_, n) => address(n + 2))
    const started = performance.now()
    expect(usageOf(network, { owned, released: [] })[0]?.used).toBe(50_000)
    // Some 40 ms; another order of growth would take minutes.
    expect(performance.now() - started).toBeLessThan(4_000)
  })
})
