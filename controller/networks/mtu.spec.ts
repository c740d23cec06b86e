import { describe, expect, it } from 'vitest'
import { parseCidr } from '../../lib/ip.ts'
import { smallestMtu } from '../../lib/requests/mtu.ts'
import { Node } from '../../proto/index.ts'
import { mtuOfNodes } from './mtu.ts'

const node = (name: string, vtepAddress: string, underlayMtu: number) => Node.create({ name, vtepAddress, underlayMtu })
const v4 = smallestMtu([{ cidr: parseCidr('10.0.9.0/24') }])
const v6 = smallestMtu([{ cidr: parseCidr('10.0.9.0/24') }, { cidr: parseCidr('fd00::/64') }])

describe('mtuOfNodes', () => {
  it.each([
    ['the smallest underlay', [node('a', '10.0.0.1', 9000), node('b', '10.0.0.2', 1500)], 1450],
    ['the dearer header of IPv6', [node('a', '10.0.0.1', 1500), node('b', 'fd00::1', 1500)], 1430],
    ['no more than a packet holds', [node('a', '127.0.0.1', 65_536)], 65_485],
  ])('counts %s', (_, nodes, mtu) => {
    expect(mtuOfNodes(nodes, v4)).toBe(mtu)
  })

  it('needs a node', () => {
    expect(() => mtuOfNodes([], v4)).toThrow('--mtu')
  })

  it('names the node that carries too little', () => {
    const nodes = [node('a', '10.0.0.1', 1500), node('b', '10.0.0.2', 1300)]
    expect(() => mtuOfNodes(nodes, v6)).toThrow("node b's underlay MTU of 1300 leaves 1250 bytes")
    expect(mtuOfNodes(nodes, v4)).toBe(1250)
  })
})
