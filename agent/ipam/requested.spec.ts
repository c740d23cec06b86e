import { describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { networkOf } from '../testing/views.ts'
import { addressFaults } from './requested.ts'

describe('addressFaults', () => {
  const network = networkOf('web', { subnets: ['10.0.9.0/24', 'fd00:9::/64'] })

  it.each([
    [[], []],
    [['10.0.9.7'], []],
    [['fd00:9::7', '10.0.9.7'], []],
    [['10.0.9.1'], []],
    [['10.0.8.7'], ['address 10.0.8.7 is not in web: its addresses are in 10.0.9.0/24 and fd00:9::/64']],
    [['10.0.9.0'], ['address 10.0.9.0 is not for hosts: it stands for the subnet 10.0.9.0/24 itself']],
    [['10.0.9.255'], ['address 10.0.9.255 is not for hosts: it is the broadcast address of 10.0.9.0/24']],
    [['fd00:9::'], ['address fd00:9:: is not for hosts: it stands for the subnet fd00:9::/64 itself']],
    [['10.0.9.7', '10.0.9.8'], ['more than one address of a subnet was asked for: 10.0.9.7, 10.0.9.8']],
    [['10.0.9.7', '10.0.9.7'], ['more than one address of a subnet was asked for: 10.0.9.7, 10.0.9.7']],
    [
      ['10.0.8.7', '10.0.9.255', 'fd99::1'],
      [
        'address 10.0.8.7 is not in web: its addresses are in 10.0.9.0/24 and fd00:9::/64',
        'address 10.0.9.255 is not for hosts: it is the broadcast address of 10.0.9.0/24',
        'address fd99::1 is not in web: its addresses are in 10.0.9.0/24 and fd00:9::/64',
      ],
    ],
  ])('%j: %j', (texts, faults) => {
    expect(addressFaults(network, texts.map(parseIp))).toEqual(faults)
  })
})
