import { describe, expect, it } from 'vitest'
import { CreateNetworkRequest, type Init } from '../../proto/index.ts'
import { validateCreate } from './create-network.ts'

const of = (init: Init<CreateNetworkRequest>) => validateCreate(CreateNetworkRequest.create(init))
const subnet = (cidr: string, gateway = '') => of({ name: 'web', subnets: [{ cidr, gateway }] })

describe('validateCreate', () => {
  it('takes the first address as gateway', () => {
    expect(subnet('10.0.9.0/24').subnets[0]?.gateway).toBe('10.0.9.1')
    expect(subnet('fd00:9::/64').subnets[0]?.gateway).toBe('fd00:9::1')
    expect(subnet('10.0.9.0/30', '10.0.9.2').subnets[0]?.gateway).toBe('10.0.9.2')
  })

  it('leaves to others what was not given', () => {
    expect(of({})).toEqual({
      name: undefined,
      subnets: [],
      ipv6: false,
      vni: undefined,
      mtu: undefined,
      labels: {},
      options: {},
      internal: false,
      multicast: false,
      eager: false,
      allowOverlap: false,
      configFrom: undefined,
    })
  })

  it('takes one subnet of each family', () => {
    const wish = of({ name: 'web', subnets: [{ cidr: '10.0.9.0/24' }, { cidr: 'fd00:9::/64' }], mtu: 1280 })
    expect(wish.subnets.map(({ cidr }) => cidr.text)).toEqual(['10.0.9.0/24', 'fd00:9::/64'])
    expect(wish.mtu).toBe(1280)
  })

  it.each([
    ['10.0.9.7/24', '', 'subnet 10.0.9.7/24 has host bits set: did you mean 10.0.9.0/24?'],
    ['10.0.9.0', '', '"10.0.9.0" is not a subnet'],
    ['', '', '"" is not a subnet'],
    ['10.0.9.0/31', '', 'too small for a gateway and an endpoint (at least /30 in IPv4)'],
    ['10.0.9.0/32', '', 'too small for a gateway and an endpoint (at least /30 in IPv4): name one such as 10.0.9.0/30'],
    ['fd00::/127', '', 'at least /126 in IPv6'],
    ['10.0.0.0/7', '', 'too large (at most /8): name one such as 10.0.0.0/8'],
    ['10.2.0/24', '', '"10.2.0/24" is not a subnet'],
    ['fd00::/47', '', 'too large (at most /48)'],
    ['127.1.0.0/16', '', 'reserved (loopback): name one of private addresses, such as 10.0.9.0/24'],
    ['224.0.0.0/24', '', 'reserved (multicast)'],
    ['169.254.7.0/24', '', 'reserved (link-local)'],
    ['0.0.0.0/24', '', 'reserved (this host)'],
    ['255.0.0.0/24', '', 'reserved (reserved and broadcast)'],
    ['fe80::/64', '', 'reserved (link-local)'],
    ['::/64', '', 'reserved'],
    ['10.0.9.0/24', '10.0.8.1', 'gateway: 10.0.8.1 is not in 10.0.9.0/24'],
    ['10.0.9.0/24', '10.0.9.0', 'gateway: 10.0.9.0 is the address of the subnet 10.0.9.0/24 itself'],
    ['10.0.9.0/24', '10.0.9.255', 'gateway: 10.0.9.255 is the broadcast address'],
    ['10.0.9.0/24', 'fd00::1', 'gateway: fd00::1 is not in 10.0.9.0/24, which is IPv4: name one from 10.0.9.1 to'],
    ['fd00:9::/64', '10.0.9.1', 'gateway: 10.0.9.1 is not in fd00:9::/64, which is IPv6'],
    ['10.0.9.0/24', 'x', 'gateway: "x" is not an IP address'],
    ['fd00:9::/64', 'fd00:9::', 'is the address of the subnet'],
  ])('refuses subnet %s, gateway %j: %s', (cidr, gateway, why) => {
    expect(() => subnet(cidr, gateway)).toThrow(why)
  })

  it.each<[Init<CreateNetworkRequest>, string]>([
    [{ vni: 16_777_216 }, 'vni: 16777216 is not a VNI (1 to 16777215)'],
    [{ configFrom: 'W' }, 'configFrom: "W" is not a name'],
    [{ mtu: 1279, ipv6: true }, 'mtu: 1279 is out of range: 576, or 1280 with IPv6, to 65485'],
    [{ name: 'Web' }, 'name: "Web" is not a name'],
    [{ name: 'a'.repeat(64) }, 'is not a name'],
    [{ subnets: [{ cidr: '10.0.1.0/24' }, { cidr: '10.0.2.0/24' }] }, 'at most one IPv4 and one IPv6'],
    [{ subnets: [{ cidr: '10.0.1.0/24' }, { cidr: 'fd00::/64' }, { cidr: '10.0.2.0/24' }] }, 'at most one IPv4'],
    [{ mtu: 575 }, 'mtu: 575 is out of range: 576, or 1280 with IPv6, to 65485'],
    [{ mtu: 65_486 }, 'mtu: 65486 is out of range'],
    [{ mtu: 1279, subnets: [{ cidr: 'fd00::/64' }] }, '1279 is out of range: 576, or 1280 with IPv6, to 65485'],
    [{ labels: { '': 'x' } }, 'labels: "" is not a key'],
    [{ labels: { 'a b': 'x' } }, 'labels: "a b" is not a key'],
    [{ options: { a: 'x'.repeat(1025) } }, 'options: the value of "a" is longer than 1024 bytes'],
    [
      { options: { encrypted: '' } },
      'options: encrypted: there is no encryption yet, and the network would be in clear',
    ],
    [{ options: { 'com.docker.network.driver.mtu': '1400' } }, 'give the MTU itself (--mtu)'],
    [{ options: { 'com.docker.network.driver.overlay.vxlanid_list': '7' } }, 'give the VNI itself (--vni)'],
    [{ options: { a: 'x\ny' } }, 'control characters'],
    [{ labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ''])) }, '65 are too many'],
  ])('refuses %j', (request, why) => {
    expect(() => of(request)).toThrow(why)
  })

  it.each(['10.0.9.128/25', '10.0.9.0/24', '10.0.9.2/32', '10.0.9.0/30', '10.0.9.252/30'])(
    'takes ipRange %s',
    (ipRange) => {
      expect(of({ subnets: [{ cidr: '10.0.9.0/24', ipRange }] }).subnets[0]?.ipRange?.text).toBe(ipRange)
    },
  )

  it.each([
    ['10.0.9.0/23', '', 'ipRange 10.0.9.0/23 has host bits set'],
    ['10.0.8.0/23', '', 'ipRange: 10.0.8.0/23 is not in 10.0.9.0/24: name a part of it'],
    ['10.0.8.0/24', '', 'ipRange: 10.0.8.0/24 is not in 10.0.9.0/24'],
    ['fd00::/80', '', 'ipRange: fd00::/80 is not in 10.0.9.0/24'],
    ['x', '', 'ipRange: "x" is not a range'],
    ['10.0.9.0/32', '', 'ipRange: 10.0.9.0/32 has no address for an endpoint'],
    ['10.0.9.0/31', '', 'ipRange: 10.0.9.0/31 has no address for an endpoint beside gateway and auxiliary addresses'],
    ['10.0.9.255/32', '', 'has no address for an endpoint'],
    ['10.0.9.4/31', '10.0.9.5', 'ipRange: 10.0.9.4/31 has no address for an endpoint'],
  ])('refuses ipRange %s with gateway %j: %s', (ipRange, gateway, why) => {
    const auxAddresses = { router: '10.0.9.4' }
    expect(() => of({ subnets: [{ cidr: '10.0.9.0/24', gateway, ipRange, auxAddresses }] })).toThrow(why)
  })

  it('takes auxiliary addresses, of both families under one name', () => {
    const subnets = [
      { cidr: '10.0.9.0/24', auxAddresses: { router: '10.0.9.254', printer: '10.0.9.9' } },
      { cidr: 'fd00:9::/64', auxAddresses: { router: 'FD00:9::FE' } },
    ]
    expect(of({ subnets }).subnets.map(({ auxAddresses }) => auxAddresses)).toEqual([
      { router: '10.0.9.254', printer: '10.0.9.9' },
      { router: 'fd00:9::fe' },
    ])
  })

  it.each<[Record<string, string>, string]>([
    [{ Router: '10.0.9.9' }, 'auxAddresses: "Router" is not a name'],
    [{ router: 'x' }, 'auxAddresses: router: "x" is not an IP address'],
    [
      { router: '10.0.8.9' },
      'auxAddresses: router: 10.0.8.9 is not in 10.0.9.0/24: name one from 10.0.9.1 to 10.0.9.254',
    ],
    [{ router: 'fd00::1' }, 'auxAddresses: router: fd00::1 is not in 10.0.9.0/24, which is IPv4'],
    [{ router: '10.0.9.0' }, 'auxAddresses: router: 10.0.9.0 is the address of the subnet 10.0.9.0/24 itself'],
    [{ router: '10.0.9.255' }, 'auxAddresses: router: 10.0.9.255 is the broadcast address'],
    [
      { router: '10.0.9.1' },
      'auxAddresses: router: 10.0.9.1 is the gateway already: choose another address, or name another gateway',
    ],
    [{ a: '10.0.9.9', b: '10.0.9.9' }, 'auxAddresses: b: 10.0.9.9 is that of a already'],
    [
      Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`a${n}`, `10.0.9.${n + 2}`])),
      'auxAddresses: 33 are too many (at most 32)',
    ],
  ])('refuses auxiliary addresses %j: %s', (auxAddresses, why) => {
    expect(() => of({ subnets: [{ cidr: '10.0.9.0/24', auxAddresses }] })).toThrow(why)
  })

  it('counts the auxiliary addresses of both subnets, and leaves room for an endpoint', () => {
    const many = (count: number, prefix: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`a${n}`, `${prefix}${n + 2}`]))
    const both = (count: number) => [
      { cidr: '10.0.9.0/24', auxAddresses: many(16, '10.0.9.') },
      { cidr: 'fd00:9::/64', auxAddresses: many(count, 'fd00:9::') },
    ]
    expect(of({ subnets: both(16) }).subnets).toHaveLength(2)
    expect(() => of({ subnets: both(17) })).toThrow('auxAddresses: 33 are too many')
    expect(() => of({ subnets: [{ cidr: '10.0.9.0/30', auxAddresses: { a: '10.0.9.2' } }] })).toThrow(
      'subnet: 10.0.9.0/30 has no address for an endpoint beside gateway and auxiliary addresses: make it larger',
    )
  })

  it('takes encrypted=false, which promises nothing', () => {
    expect(of({ options: { encrypted: 'false' } }).options).toEqual({ encrypted: 'false' })
  })

  it('names every fault at once', () => {
    const request = {
      name: 'A',
      mtu: 1,
      vni: 2 ** 24,
      configFrom: 'B',
      labels: { '-': '' },
      options: { '': '' },
      subnets: [
        { cidr: '10.0.9.7/24', gateway: 'y', ipRange: 'r', auxAddresses: { Q: 'z' } },
        { cidr: '10.0.10.0/24', gateway: '10.0.11.1', ipRange: '10.0.12.0/24', auxAddresses: { x: '10.0.10.0' } },
        { cidr: '10.0.11.0/24' },
      ],
    }
    const parts = ['"A" is not a name', 'did you mean', '"y" is not', '"r" is not', '"Q" is not', '"z" is not']
      .concat('10.0.11.1 is not in', '10.0.12.0/24 is not in', '10.0.10.0 is the address', 'at most one IPv4')
      .concat('mtu: 1 is', 'vni: 16777216', '"B" is not a name', 'labels: "-"', 'options: ""')
    for (const part of parts) expect(() => of(request)).toThrow(part)
  })
})
