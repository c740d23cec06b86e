import { expect, test } from 'vitest'
import { parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import type { Operation } from './kernel/kernel.ts'
import { LastMacs } from './last-macs.ts'
import { planVeth } from './plan.ts'
import type { AnyItem, Item, Neighbour } from './state/item.ts'
import { endpointOf, macOfEndpoint, networkOf, selfOf } from './testing/views.ts'

const address = '10.0.9.5'

/** The address is that remote endpoint's. */
const remote = (digits: string, ip = address): Neighbour => ({
  kind: 'neighbour',
  dev: 'ovbr7',
  address: parseIp(ip),
  mac: macOfEndpoint(digits),
})

/** The address is that local endpoint's. */
function local(digits: string): Item {
  const endpoint = endpointOf(digits, { addresses: [address] })
  const sandbox = { bootId: 'boot-1', cookie: '1', path: '/run/netns/x' }
  return planVeth(selfOf(), networkOf(), { ...endpoint, sandbox })
}

const put = (item: Item): Operation => ({ do: 'put', item })
const gone = (item: AnyItem): Operation => ({ do: 'delete', item })

/** What is announced after each operation, as `MAC of ADDRESS at PORT`. */
function announced(...operations: readonly Operation[]): readonly string[] {
  const macs = new LastMacs()
  return operations.map((operation) => text(macs.after(operation, undefined)))
}

const text = (announcements: ReturnType<LastMacs['after']>) =>
  announcements.map(({ mac, address: of, port }) => `${mac.slice(-2)} of ${of} at ${port ?? 'another host'}`).join(', ')

const elsewhere = '06 of 10.0.9.5 at another host'
const here = '06 of 10.0.9.5 at ove060000000000'

test.each([
  ['remote, then remote', remote('05'), remote('06'), elsewhere],
  ['remote, then local', remote('05'), local('06'), here],
  ['local, then remote', local('05'), remote('06'), elsewhere],
  ['local, then local', local('05'), local('06'), here],
])('%s: announced once, whether the former goes before or after', (_, former, latter, told) => {
  expect(announced(put(former), gone(former), put(latter), put(latter))).toEqual(['', '', told, ''])
  // Then for what was asked while the former was still there.
  expect(announced(put(former), put(latter), gone(former))).toEqual(['', told, told])
  // What was there before this agent ran is not known until it goes.
  expect(announced(gone(former), put(latter))).toEqual(['', told])
  expect(announced(put(latter), gone(former))).toEqual(['', told])
})

test('what is put for the first time, or again as it was, is not announced', () => {
  expect(announced(put(remote('05')), put(remote('05')), gone(remote('05')), put(remote('05')))).toEqual(
    Array(4).fill(''),
  )
  expect(announced(put(local('05')), gone(local('05')), put(local('05')))).toEqual(Array(3).fill(''))
  const otherBridge = { ...remote('06'), dev: 'ovbr8' }
  expect(announced(put(remote('05')), put(remote('06', '10.0.9.6')), put(otherBridge))).toEqual(Array(3).fill(''))
})

test('what is replaced is known from what was there', () => {
  expect(text(new LastMacs().after(put(remote('06')), remote('05')))).toBe(elsewhere)
  expect(text(new LastMacs().after(put(remote('06')), remote('06')))).toBe('')
})

test('an interface whose inside is not known says nothing', () => {
  const { name, mac, mtu, alias, bridge } = local('05') as Extract<Item, { kind: 'veth' }>
  const seen = { kind: 'veth', name, mac, mtu, alias, bridge } as const
  const inside = { ifname: 'eth0', up: true, mac: '', mtu, addresses: [`${address}/24`] }
  expect(announced(gone(seen), gone({ ...seen, inside }), put(remote('06')))).toEqual(['', '', ''])
  const known = { ...inside, mac: parseMac('02:00:00:00:00:05') }
  expect(announced(gone({ ...seen, inside: known }), put(remote('06')))).toEqual(['', elsewhere])
})

test('so many addresses are kept: those that were written of last', () => {
  const macs = new LastMacs(2)
  const three = ['10.0.9.1', '10.0.9.2', '10.0.9.3'] as const
  for (const ip of three) macs.after(put(remote('05', ip)), undefined)
  macs.after(gone(remote('05', three[1])), undefined)
  macs.after(put(remote('05', '10.0.9.4')), undefined)
  const [first, second, third] = three
  const now = [second, '10.0.9.4', first, third].map((ip) => macs.after(put(remote('06', ip)), undefined).length)
  expect(now).toEqual([1, 1, 0, 0])
})
