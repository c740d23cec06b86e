import { describe, expect, it } from 'vitest'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { FakeKernel } from '../kernel/fake.ts'
import { chooseVtep } from './vtep.ts'

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
