import { expect, test } from 'vitest'
import { parseFrames, parseVxlanPackets } from './captured.ts'

const request = `\
1795273325.335648 5e:86:32:5a:be:8e > 2a:b1:ce:c4:6d:f9, ethertype IPv4 (0x0800), length 148: 192.168.200.1.35199 > 192.168.200.2.4789: VXLAN, flags [I] (0x08), vni 1048576
6a:b2:43:3e:f7:26 > 02:fc:39:7d:7f:b9, ethertype IPv4 (0x0800), length 98: 10.0.9.2 > 10.0.9.3: ICMP echo request, id 9551, seq 1, length 64
`
const inIpv6 = `\
1795273325.335546 5e:86:32:5a:be:8e > 2a:b1:ce:c4:6d:f9, ethertype IPv6 (0x86dd), length 112: fd00:200::1.36595 > fd00:200::2.4789: VXLAN, flags [I] (0x08), vni 77
6a:b2:43:3e:f7:26 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 10.9.9.2 tell 10.9.9.1, length 28
`
const arp = `\
1795273325.400000 5e:86:32:5a:be:8e > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 192.168.200.2 tell 192.168.200.1, length 28
`
const spanningTree = `\
1795273325.500000 5e:86:32:5a:be:8e > 01:80:c2:00:00:00, 802.3, length 38: LLC, dsap STP (0x42) Individual, ssap STP (0x42) Command, ctrl 0x03: STP 802.1d, Config
`

test('VXLAN packets with what is inside', () => {
  expect(parseVxlanPackets(arp + request)).toEqual([
    {
      vni: 1_048_576,
      from: '192.168.200.1',
      to: '192.168.200.2',
      port: 4789,
      inner: {
        source: '6a:b2:43:3e:f7:26',
        destination: '02:fc:39:7d:7f:b9',
        etherType: 0x0800,
        text: '10.0.9.2 > 10.0.9.3: ICMP echo request, id 9551, seq 1, length 64',
      },
    },
  ])
  expect(parseVxlanPackets(inIpv6)).toMatchObject([
    { vni: 77, from: 'fd00:200::1', to: 'fd00:200::2', inner: { destination: 'ff:ff:ff:ff:ff:ff', etherType: 0x0806 } },
  ])
})

test('frames as they were on the interface', () => {
  const frames = parseFrames(request + arp + spanningTree)
  expect(frames.map(({ destination, etherType }) => [destination, etherType])).toEqual([
    ['2a:b1:ce:c4:6d:f9', 0x0800],
    ['ff:ff:ff:ff:ff:ff', 0x0806],
    ['01:80:c2:00:00:00', 0],
  ])
})

test('nothing that cannot be read is passed over', () => {
  expect(() => parseFrames('1795273325.5 something new\n')).toThrow('not a frame: 1795273325.5 something new')
})
