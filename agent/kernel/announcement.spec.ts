import { expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { announcementFrame } from './announcement.ts'

const mac = parseMac('02:00:00:00:00:06')
const bridge = parseMac('02:aa:bb:cc:dd:ee')
const hex = (address: string) => announcementFrame(parseIp(address), mac, bridge).toString('hex')

test('IPv4: an ARP request of the address for itself, to everyone', () => {
  const ethernet = ['ffffffffffff', '02aabbccddee', '0806']
  const arp = ['0001', '0800', '06', '04', '0001', '020000000006', '0a000905', '000000000000', '0a000905']
  expect(hex('10.0.9.5')).toBe([...ethernet, ...arp].join(''))
})

test('IPv6: an unsolicited neighbour advertisement that overrides, to all nodes', () => {
  const ethernet = ['333300000001', '02aabbccddee', '86dd']
  const address = 'fd000009000000000000000000000005'
  const ip = ['60000000', '0020', '3a', 'ff', address, 'ff020000000000000000000000000001']
  const advertisement = ['88', '00', '5a7c', '20000000', address, '0201', '020000000006']
  expect(hex('fd00:9::5')).toBe([...ethernet, ...ip, ...advertisement].join(''))
})
