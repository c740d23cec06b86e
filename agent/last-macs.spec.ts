import { expect, test } from 'vitest'
import { parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import type { Operation } from './kernel/kernel.ts'
import { type Done, LastMacs } from './last-macs.ts'
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

const bridge = (name = 'ovbr7'): Item => ({ kind: 'bridge', name, mac: macOfEndpoint('01'), mtu: 1450, alias: name })
const anew = (operation: Operation): Done => ({ operation, before: undefined })

/** One that has made its bridges. */
function started(most?: number): LastMacs {
  const macs = new LastMacs(most)
  macs.after([anew(put(bridge())), anew(put(bridge('ovbr8')))])
  return macs
}

/** What is announced after each operation, as `MAC of ADDRESS at PORT`. */
function announcedBy(macs: LastMacs, ...operations: readonly Operation[]): readonly string[] {
  return operations.map((operation) => text(macs.after([anew(operation)])))
}

const announced = (...operations: readonly Operation[]) => announcedBy(started(), ...operations)

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
  const over = (before: AnyItem) => text(new LastMacs().after([{ operation: put(remote('06')), before }]))
  expect(over(remote('05'))).toBe(elsewhere)
  expect(over(remote('06'))).toBe('')
})

test('an interface whose inside is not known says nothing', () => {
  const { name, mac, mtu, alias, bridge } = local('05') as Extract<Item, { kind: 'veth' }>
  const seen = { kind: 'veth', name, mac, mtu, alias, bridge } as const
  const inside = { ifname: 'eth0', up: true, mac: '', mtu, addresses: [`${address}/24`] }
  expect(announced(gone(seen), gone({ ...seen, inside }), put(remote('06')))).toEqual(['', '', ''])
  const known = { ...inside, mac: parseMac('02:00:00:00:00:05') }
  expect(announced(gone({ ...seen, inside: known }), put(remote('06')))).toEqual(['', elsewhere])
})

test('on a bridge that was there before this agent ran, what it has not seen may have been anybody’s', () => {
  const macs = new LastMacs()
  expect(announcedBy(macs, put(remote('06')), put(remote('06')))).toEqual([elsewhere, ''])
  expect(announcedBy(macs, put(local('06')))).toEqual([''])
  // Somebody took it away from below a sandbox.
  const veth = local('02')
  const mended = [anew(put(bridge())), { operation: put(veth), before: veth }, anew(put(remote('05', '10.0.9.7')))]
  expect(text(macs.after(mended))).toContain('05 of 10.0.9.7 at another host')
})

test('of a bridge that is gone nobody remembers anything', () => {
  const macs = started()
  expect(announcedBy(macs, put(remote('05')), gone(bridge()))).toEqual(['', ''])
  expect(announcedBy(macs, put(bridge()), put(remote('06')))).toEqual(['', ''])
})

test('so many addresses are kept, those that were written of last; any other may have been anybody’s then', () => {
  const [first, second, third, fourth] = ['10.0.9.1', '10.0.9.2', '10.0.9.3', '10.0.9.4'] as const
  const macs = started(2)
  expect(announcedBy(macs, put(remote('05', first)), put(remote('05', second)))).toEqual(['', ''])
  expect(announcedBy(macs, put(remote('05', second)), put(remote('05', third)))).toEqual(['', ''])
  expect(announcedBy(macs, put(remote('05', second)))).toEqual([''])
  expect(announcedBy(macs, put(remote('05', fourth)))).toEqual(['05 of 10.0.9.4 at another host'])
})
