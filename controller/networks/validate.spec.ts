import { describe, expect, it } from 'vitest'
import { CreateNetworkRequest, type Init } from '../../proto/index.ts'
import { validateCreate } from './validate.ts'

const of = (init: Init<CreateNetworkRequest>) => validateCreate(CreateNetworkRequest.create(init))
const subnet = (cidr: string, gateway = '') => of({ name: 'web', subnets: [{ cidr, gateway }] })

describe('validateCreate', () => {
  it('takes the first address as gateway', () => {
    expect(subnet('10.0.9.0/24').subnets[0]?.gateway).toBe('10.0.9.1')
    expect(subnet('fd00:9::/64').subnets[0]?.gateway).toBe('fd00:9::1')
    expect(subnet('10.0.9.0/30', '10.0.9.2').subnets[0]?.gateway).toBe('10.0.9.2')
  })

  it('leaves to others what was not given', () => {
    expect(of({})).toEqual({ name: undefined, subnets: [], mtu: undefined, labels: {}, options: {} })
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
    ['10.0.9.0/32', '', 'too small'],
    ['fd00::/127', '', 'at least /126 in IPv6'],
    ['10.0.0.0/7', '', 'too large'],
    ['fd00::/48', '', 'too large (at most /64)'],
    ['127.1.0.0/16', '', 'reserved (loopback)'],
    ['224.0.0.0/24', '', 'reserved (multicast)'],
    ['169.254.7.0/24', '', 'reserved (link-local)'],
    ['0.0.0.0/24', '', 'reserved (this host)'],
    ['255.0.0.0/24', '', 'reserved (reserved and broadcast)'],
    ['fe80::/64', '', 'reserved (link-local)'],
    ['::/64', '', 'reserved'],
    ['10.0.9.0/24', '10.0.8.1', 'gateway: 10.0.8.1 is not in 10.0.9.0/24'],
    ['10.0.9.0/24', '10.0.9.0', 'gateway: 10.0.9.0 is the address of the subnet 10.0.9.0/24 itself'],
    ['10.0.9.0/24', '10.0.9.255', 'gateway: 10.0.9.255 is the broadcast address'],
    ['10.0.9.0/24', 'fd00::1', 'gateway: fd00::1 is not in'],
    ['10.0.9.0/24', 'x', 'gateway: "x" is not an IP address'],
    ['fd00:9::/64', 'fd00:9::', 'is the address of the subnet'],
  ])('refuses subnet %s, gateway %j: %s', (cidr, gateway, why) => {
    expect(() => subnet(cidr, gateway)).toThrow(why)
  })

  it.each<[Init<CreateNetworkRequest>, string]>([
    [{ name: 'Web' }, 'name: "Web" is not a name'],
    [{ name: 'a'.repeat(64) }, 'is not a name'],
    [{ subnets: [{ cidr: '10.0.1.0/24' }, { cidr: '10.0.2.0/24' }] }, 'at most one IPv4 and one IPv6'],
    [{ subnets: [{ cidr: '10.0.1.0/24' }, { cidr: 'fd00::/64' }, { cidr: '10.0.2.0/24' }] }, 'at most one IPv4'],
    [{ mtu: 575 }, 'mtu: 575 is out of range: 576 to 65485'],
    [{ mtu: 65_486 }, 'mtu: 65486 is out of range'],
    [{ mtu: 1279, subnets: [{ cidr: 'fd00::/64' }] }, '1280 (what IPv6 needs) to 65485'],
    [{ labels: { '': 'x' } }, 'labels: "" is not a key'],
    [{ labels: { 'a b': 'x' } }, 'labels: "a b" is not a key'],
    [{ options: { a: 'x'.repeat(1025) } }, 'options: the value of "a" is longer than 1024 bytes'],
    [{ options: { a: 'x\ny' } }, 'control characters'],
    [{ labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ''])) }, '65 are too many'],
  ])('refuses %j', (request, why) => {
    expect(() => of(request)).toThrow(why)
  })

  it('names every fault at once', () => {
    const request = { name: 'A', subnets: [{ cidr: '10.0.9.7/24', gateway: 'y' }], mtu: 1, labels: { '-': '' } }
    for (const part of ['"A" is not a name', 'did you mean', '"y" is not', 'mtu: 1', '"-" is not a key'])
      expect(() => of(request)).toThrow(part)
  })
})
