import { describe, expect, it } from 'vitest'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { FakeKernel } from '../kernel/fake.ts'
import { chooseVtep, reviewVtep, vtepAtStart } from './vtep.ts'

const eth0 = { name: 'eth0', mtu: 1500, addresses: ['10.0.0.1', 'fd00::1'] }
const eth1 = { name: 'eth1', mtu: 9000, addresses: ['169.254.7.7', 'fd01::1', '192.168.0.1'] }
const bare = { name: 'eth2', mtu: 1500, addresses: ['169.254.8.8', 'fe80::1'] }

interface Wish {
  /** Source address by destination; `default` for all others. */
  readonly routes?: Readonly<Record<string, string>>
  readonly others?: readonly string[]
  readonly address?: string
  readonly interface?: string
}

function choose({ routes = {}, others = [], address, ...choice }: Wish) {
  const kernel = new FakeKernel()
  kernel.underlayInterfaces = [eth0, eth1, bare].map((each) => ({ ...each, addresses: each.addresses.map(parseIp) }))
  kernel.source = (destination: Ip) => {
    const source = routes[destination] ?? routes['default']
    return source === undefined ? undefined : parseIp(source)
  }
  return chooseVtep(
    kernel,
    { interface: choice.interface, address: address === undefined ? undefined : parseIp(address) },
    others.map(parseIp),
  )
}

describe('chooseVtep', () => {
  it.each<[string, Wish, string, number]>([
    ['the address that is asked for', { address: '192.168.0.1' }, '192.168.0.1', 9000],
    ['the first IPv4 address of the interface', { interface: 'eth1' }, '192.168.0.1', 9000],
    [
      'the one that reaches the other nodes',
      { others: ['192.168.0.2'], routes: { '192.168.0.2': '192.168.0.1', default: '10.0.0.1' } },
      '192.168.0.1',
      9000,
    ],
    ['the default route’s, first of all', { routes: { default: '10.0.0.1' } }, '10.0.0.1', 1500],
    [
      'the default route’s where no other node is reached',
      { others: ['172.16.0.1'], routes: { '192.0.2.1': '10.0.0.1' } },
      '10.0.0.1',
      1500,
    ],
    ['that of IPv6 where there is nothing else', { routes: { '2001:db8::1': 'fd00::1' } }, 'fd00::1', 1500],
    [
      'not the loopback, where another node is this host',
      { others: ['10.0.0.1'], routes: { '10.0.0.1': '127.0.0.1', default: '10.0.0.1' } },
      '10.0.0.1',
      1500,
    ],
  ])('%s', (_, wish, address, mtu) => {
    expect(choose(wish)).toEqual({ address, mtu })
  })

  it.each<[string, Wish, string]>([
    ['loopback', { address: '127.0.0.1' }, '--vtep-address 127.0.0.1: other hosts cannot reach it'],
    ['wildcard', { address: '0.0.0.0' }, '--vtep-address 0.0.0.0: other hosts cannot reach it'],
    ['IPv6 wildcard', { address: '::' }, '--vtep-address ::: other hosts cannot reach it'],
    ['IPv6 loopback', { address: '::1' }, '--vtep-address ::1: other hosts cannot reach it'],
    ['link-local', { address: 'fe80::1' }, '--vtep-address fe80::1: other hosts cannot reach it'],
    ['IPv4 link-local', { address: '169.254.7.7' }, '--vtep-address 169.254.7.7: other hosts cannot reach it'],
    [
      'another host’s',
      { address: '10.0.0.9' },
      '--vtep-address 10.0.0.9: no interface of this host that is up has it; it has 10.0.0.1 (eth0), ',
    ],
    [
      'an interface that is not there',
      { interface: 'eth9' },
      '--vtep-interface eth9: is not up or not there; up are eth0, eth1, eth2',
    ],
    [
      'an interface with nothing but link-local addresses',
      { interface: 'eth2' },
      '--vtep-interface eth2: has no address that other hosts could reach',
    ],
    ['no route at all', {}, 'give --vtep-address or --vtep-interface'],
    [
      'only loopback',
      { others: ['10.0.0.1'], routes: { default: '127.0.0.1' } },
      'give --vtep-address or --vtep-interface',
    ],
    [
      'an address that no interface has',
      { routes: { default: '10.9.9.9' } },
      'the route to 192.0.2.1 10.9.9.9: no interface of this host that is up has it',
    ],
  ])('refuses %s', (_, wish, message) => {
    expect(() => choose(wish)).toThrow(
      expect.objectContaining({ code: 'failed_precondition', message: expect.stringContaining(message) }),
    )
  })
})

describe('reviewVtep', () => {
  const up = (name: string, ...addresses: string[]) => ({ name, mtu: 1500, addresses: addresses.map(parseIp) })
  const down = (name: string, ...addresses: string[]) => ({ ...up(name, ...addresses), down: true as const })
  const before = { address: parseIp('10.0.0.1'), mtu: 1500 }

  function review(
    interfaces: ReturnType<typeof up>[],
    { source = '', others = [], ...choice }: Wish & { readonly source?: string } = {},
  ) {
    const kernel = new FakeKernel()
    kernel.underlayInterfaces = interfaces
    kernel.source = (destination) =>
      source && destination.includes(':') === source.includes(':') ? parseIp(source) : undefined
    const address = choice.address === undefined ? undefined : parseIp(choice.address)
    const { vtep, problem } = reviewVtep(kernel, { interface: choice.interface, address }, others.map(parseIp), before)
    return [vtep.address, vtep.mtu, problem ?? '']
  }

  it.each<[string, ReturnType<typeof review>, string, number, string]>([
    ['what is there stays', review([up('eth0', '10.0.0.1')]), '10.0.0.1', 1500, ''],
    [
      'also where another would be chosen now',
      review([up('eth0', '10.0.0.1'), up('eth1', '10.7.0.1')], { source: '10.7.0.1', others: ['10.7.0.2'] }),
      '10.0.0.1',
      1500,
      '',
    ],
    ['with the MTU of today', review([{ ...up('eth0', '10.0.0.1'), mtu: 9000 }]), '10.0.0.1', 9000, ''],
    [
      'an interface that is down keeps it',
      review([down('eth0', '10.0.0.1'), up('eth1', '10.7.0.1')], { source: '10.7.0.1' }),
      '10.0.0.1',
      1500,
      'interface eth0, which has the VTEP address 10.0.0.1, is down',
    ],
    ['another name of the interface is nothing', review([up('lan0', '10.0.0.1')]), '10.0.0.1', 1500, ''],
    [
      'but for the flag that names it',
      review([up('lan0', '10.0.0.1')], { interface: 'eth0' }),
      '10.0.0.1',
      1500,
      '--vtep-interface eth0: is not up or not there; up are lan0; the VTEP address stays 10.0.0.1 (lan0)',
    ],
    [
      'a new address takes the place of one that is gone',
      review([up('eth0', '10.0.0.9')], { source: '10.0.0.9' }),
      '10.0.0.9',
      1500,
      '',
    ],
    [
      'of the interface that the flag names',
      review([up('eth1', '10.7.0.1'), up('eth0', '10.0.0.9')], { interface: 'eth0', source: '10.7.0.1' }),
      '10.0.0.9',
      1500,
      '',
    ],
    [
      'which counts more than where the old one is now',
      review([up('eth1', '10.0.0.1'), up('eth0', '10.0.0.9')], { interface: 'eth0' }),
      '10.0.0.9',
      1500,
      '',
    ],
    [
      'a second address of it is no reason',
      review([up('eth0', '10.0.0.9', '10.0.0.1')], { interface: 'eth0' }),
      '10.0.0.1',
      1500,
      '',
    ],
    [
      'with nothing better it stays',
      review([up('eth0')]),
      '10.0.0.1',
      1500,
      'no address that other hosts could reach: there is no route to another node and no default route; give --vtep-address or --vtep-interface; the VTEP address stays 10.0.0.1, which no interface of this host has',
    ],
    [
      'an address that the flag names stays, there or not',
      review([up('eth0', '10.0.0.9')], { address: '10.0.0.1', source: '10.0.0.9' }),
      '10.0.0.1',
      1500,
      '--vtep-address 10.0.0.1: no interface of this host that is up has it; it has 10.0.0.9 (eth0); the VTEP address stays 10.0.0.1, which no interface of this host has',
    ],
    [
      'the family never changes by itself',
      review([up('eth0', 'fd00::1')], { source: 'fd00::1', others: ['fd00::2'] }),
      '10.0.0.1',
      1500,
      'no address that other hosts could reach: there is no route to another node and no default route; give --vtep-address or --vtep-interface; the VTEP address stays 10.0.0.1, which no interface of this host has',
    ],
    [
      'nor by the flag that names the interface',
      review([up('eth0', 'fd00::1')], { interface: 'eth0' }),
      '10.0.0.1',
      1500,
      'fd00::1 could be the VTEP address, but a running agent does not change between IPv4 and IPv6: restart it; until then it stays 10.0.0.1, which no interface of this host has',
    ],
  ])('%s', (_, reviewed, ...expected) => {
    expect(reviewed).toEqual(expected)
  })
})

describe('vtepAtStart', () => {
  const kernel = new FakeKernel()
  kernel.underlayInterfaces = [
    { name: 'eth0', mtu: 9000, addresses: [parseIp('10.0.0.1')], down: true },
    { name: 'eth1', mtu: 1500, addresses: [parseIp('10.7.0.1')] },
  ]
  kernel.source = () => parseIp('10.7.0.1')

  it.each([
    ['a node that is new', undefined, {}, '10.7.0.1 1500'],
    ['one whose interface is down', '10.0.0.1', {}, '10.0.0.1 9000'],
    ['by the flag, too', '10.0.0.1', { interface: 'eth0' }, '10.0.0.1 9000'],
    ['unless another one is named', '10.0.0.1', { interface: 'eth1' }, '10.7.0.1 1500'],
    ['or another address', '10.0.0.1', { address: parseIp('10.7.0.1') }, '10.7.0.1 1500'],
    ['one whose address is gone', '10.0.0.9', {}, '10.7.0.1 1500'],
  ])('%s', (_, registered, choice, expected) => {
    const { address, mtu } = vtepAtStart(kernel, choice, [], registered === undefined ? undefined : parseIp(registered))
    expect(`${address} ${mtu}`).toBe(expected)
  })

  it('an interface that never was this node’s is not waited for', () => {
    expect(() => vtepAtStart(kernel, { interface: 'eth0' }, [], undefined)).toThrow('is not up or not there')
  })
})
