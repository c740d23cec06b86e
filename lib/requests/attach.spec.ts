import { expect, it } from 'vitest'
import { AttachRequest, type Init } from '../../proto/index.ts'
import { Faults } from '../faults.ts'
import { checkAttach } from './attach.ts'

function faultsOf(init: Init<AttachRequest>): readonly string[] {
  const faults = new Faults()
  checkAttach(faults, AttachRequest.create({ network: 'web', ...init }))
  return faults.all
}

it.each<Init<AttachRequest>>([
  {},
  { addresses: ['10.0.9.7', 'fd00::7'], name: 'db', ifname: 'ov0', mac: '02:42:0a:00:09:07', labels: { a: 'b' } },
  { gwPriority: 500 },
  { gwPriority: -500 },
])('takes %j', (init) => {
  expect(faultsOf(init)).toEqual([])
})

it.each<[Init<AttachRequest>, string]>([
  [{ network: 'W' }, 'network: "W" is not a name'],
  [{ name: 'a/b' }, 'name: "a/b" is not a name'],
  [{ ifname: 'a/b' }, 'ifname: "a/b" is not an interface name'],
  [{ ifname: 'lo' }, 'ifname: "lo" is the loopback of every sandbox'],
  [{ addresses: ['x'] }, 'addresses: "x" is not an IP address'],
  [{ addresses: ['10.0.9.7', '10.0.9.8'] }, 'at most one IPv4 and one IPv6 address, not 10.0.9.7, 10.0.9.8'],
  [{ addresses: ['10.0.9.7', 'fd00::7', 'fd00::8', 'a', 'b'] }, 'not 10.0.9.7, fd00::7, fd00::8, a, …'],
  [{ mac: '01:00:5e:00:00:01' }, 'mac: "01:00:5e:00:00:01" is a multicast MAC address'],
  [{ gwPriority: 501 }, 'gwPriority: 501 is out of range: from -500 to 500'],
  [{ labels: { '-': '' } }, 'labels: "-" is not a key'],
])('refuses %j: %s', (init, why) => {
  expect(faultsOf(init)).toEqual([expect.stringContaining(why)])
})

it('names every fault at once', () => {
  expect(faultsOf({ network: 'W', name: 'A', ifname: '%', addresses: ['x'], mac: 'y', gwPriority: -501 })).toHaveLength(
    6,
  )
})
