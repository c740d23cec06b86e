import { describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { endpointKey } from '../state/key.ts'
import { endpointOf, idOf, networkOf, viewOf } from '../testing/views.ts'
import type { View } from './view.ts'

const key = (digits: string, network = 'web') => endpointKey(network, idOf(digits))
const sorted = (keys: readonly string[]) => [...new Set(keys)].toSorted()

const remote = endpointOf('03', { node: 'host-2' })
/** What is dirty when the network with these endpoints comes or goes. */
const all = (...digits: string[]) => sorted(['host', 'network web', ...digits.map((one) => key(one))])

describe('presence', () => {
  it('the first local endpoint makes all keys of the network dirty, further ones only theirs', () => {
    const view = viewOf({ endpoints: [remote] })
    expect(view.hasNetwork('web')).toBe(false)
    expect(sorted(view.setEndpoint(endpointOf('02')))).toEqual(all('02', '03'))
    expect(view.hasNetwork('web')).toBe(true)
    expect(view.hasAnyNetwork()).toBe(true)
    expect(view.setEndpoint(endpointOf('04'))).toEqual([key('04')])
    expect(view.setEndpoint(endpointOf('05', { node: 'host-2' }))).toEqual([key('05')])
  })

  it('so does the last one that goes', () => {
    const view = viewOf({ endpoints: [remote, endpointOf('02'), endpointOf('04')] })
    expect(view.removeEndpoint('web', idOf('02'))).toEqual([key('02')])
    expect(sorted(view.removeEndpoint('web', idOf('04')))).toEqual(all('03', '04'))
    expect(view.hasAnyNetwork()).toBe(false)
  })

  it.each([
    ['of another boot', endpointOf('02', { boot: 'boot-0' })],
    ['that is unplugged', endpointOf('02', { unplugged: true })],
    ['on another node', endpointOf('02', { node: 'host-2' })],
  ])('an endpoint %s gives the host no network', (_, endpoint) => {
    const view = viewOf({ endpoints: [remote] })
    expect(view.setEndpoint(endpoint)).toEqual([key('02')])
    expect(view.hasNetwork('web')).toBe(false)
  })

  it('an open intent takes it, and its end gives it', () => {
    const view = viewOf({ endpoints: [remote, endpointOf('02')] })
    expect(sorted(view.setOpenIntent('web', idOf('02'), true))).toEqual(all('02', '03'))
    expect(view.hasOpenIntent(idOf('02'))).toBe(true)
    expect(view.hasNetwork('web')).toBe(false)
    expect(sorted(view.setOpenIntent('web', idOf('02'), false))).toEqual(all('02', '03'))
    expect(view.hasNetwork('web')).toBe(true)
  })

  it('of one network says nothing of another', () => {
    const view = viewOf({ networks: [networkOf(), networkOf('db', { vni: 8 })], endpoints: [remote] })
    expect(sorted(view.setEndpoint(endpointOf('06', { network: 'db' })))).toEqual([
      key('06', 'db'),
      'host',
      'network db',
    ])
    expect(view.hasNetwork('web')).toBe(false)
  })
})

describe('eager networks', () => {
  const eager = networkOf('web', { eager: true })

  it('are on every host, from their record on and as long as it is there', () => {
    const view = viewOf({ networks: [], endpoints: [] })
    expect(view.hasAnyNetwork()).toBe(false)
    expect(sorted(view.setNetwork(eager))).toEqual(all())
    expect([view.hasNetwork('web'), view.hasAnyNetwork(), view.hasLiveEndpoint('web')]).toEqual([true, true, false])
    view.follow('web')
    expect(view.setEndpoint(remote)).toEqual([key('03')])
    expect(sorted(view.removeNetwork('web'))).toEqual(all('03'))
    expect([view.hasNetwork('web'), view.hasAnyNetwork()]).toEqual([false, false])
  })

  it('an endpoint that comes or goes gives and takes nothing', () => {
    const view = viewOf({ networks: [eager], endpoints: [remote] })
    expect(view.setEndpoint(endpointOf('02'))).toEqual([key('02')])
    expect(view.hasLiveEndpoint('web')).toBe(true)
    expect(view.setOpenIntent('web', idOf('02'), true)).toEqual([key('02')])
    expect(view.removeEndpoint('web', idOf('02'))).toEqual([key('02')])
    expect(view.hasNetwork('web')).toBe(true)
  })

  it('removed and made again as another one that is not', () => {
    const view = viewOf({ networks: [eager], endpoints: [remote] })
    expect(sorted(view.setNetwork(networkOf('web', { modRevision: 11 })))).toEqual(all('03'))
    expect(view.hasNetwork('web')).toBe(false)
  })
})

describe('flooding', () => {
  const flooded = { networks: [networkOf('web', { multicast: true })], nodes: { 'host-2': '192.0.2.2' } }
  const on = (digits: string, node: string, revision = 20) => endpointOf(digits, { node, revision })
  const targets = (view: View) => [...view.floodTargets('web')]
  const first = ['network web', key('03')]

  it("a node's first endpoint and its last one concern the network, no other does", () => {
    const view = viewOf(flooded)
    expect(view.setEndpoint(on('03', 'host-2'))).toEqual(first)
    expect(view.setEndpoint(on('04', 'host-2'))).toEqual([key('04')])
    expect(targets(view)).toEqual(['192.0.2.2'])
    expect(view.removeEndpoint('web', idOf('04'))).toEqual([key('04')])
    expect(targets(view)).toEqual(['192.0.2.2'])
    expect(view.removeEndpoint('web', idOf('03'))).toEqual(first)
    expect(targets(view)).toEqual([])
    view.setEndpoint(on('05', 'host-1'))
    expect(view.setEndpoint(on('06', 'host-1'))).toEqual([key('06')])
    expect(targets(view)).toEqual([])
  })

  it('an endpoint that moves concerns it, one that only changes does not', () => {
    const view = viewOf({ ...flooded, nodes: { 'host-2': '192.0.2.2', 'host-3': '192.0.2.3' } })
    view.setEndpoint(on('03', 'host-2'))
    expect(view.setEndpoint(on('03', 'host-2', 21))).toEqual([key('03')])
    expect(targets(view)).toEqual(['192.0.2.2'])
    expect(view.setEndpoint(on('03', 'host-3', 22))).toEqual(first)
    expect(targets(view)).toEqual(['192.0.2.3'])
    // Its sandbox is gone: the node has the network no more.
    expect(view.setEndpoint(endpointOf('03', { node: 'host-3', revision: 23, unplugged: true }))).toEqual(first)
    expect(targets(view)).toEqual([])
  })

  it("so does a node's new VTEP address", () => {
    const view = viewOf({ ...flooded, endpoints: [on('03', 'host-2')] })
    expect(view.setNode('host-2', parseIp('192.0.2.22'))).toEqual(first)
    expect(targets(view)).toEqual(['192.0.2.22'])
    expect(view.setNode('host-2', parseIp('fd00::2'))).toEqual(first)
    expect(targets(view)).toEqual([])
    expect(view.setNode('host-2', undefined)).toEqual(first)
    expect(targets(view)).toEqual([])
    expect(view.setNode('host-3', parseIp('192.0.2.3'))).toEqual([])
  })

  it('two nodes with one address are one, and our own is none', () => {
    const nodes = { 'host-2': '192.0.2.2', 'host-3': '192.0.2.2', 'host-4': '192.0.2.1' }
    const endpoints = [on('03', 'host-2'), on('04', 'host-3'), on('05', 'host-4')]
    expect(targets(viewOf({ ...flooded, nodes, endpoints }))).toEqual(['192.0.2.2'])
  })

  it('what is followed no more has no targets', () => {
    const view = viewOf({ ...flooded, endpoints: [on('03', 'host-2')] })
    view.unfollow('web')
    expect(targets(view)).toEqual([])
    expect(view.setNode('host-2', undefined)).toEqual([])
  })
})

describe('endpoints', () => {
  it('older or same news than known are passed over', () => {
    const view = viewOf({ endpoints: [endpointOf('03', { node: 'host-2', revision: 20 })] })
    for (const revision of [19, 20])
      expect(view.setEndpoint(endpointOf('03', { node: 'host-3', revision }))).toEqual([])
    expect(view.endpoint('web', idOf('03'))?.node).toBe('host-2')
    expect(view.setEndpoint(endpointOf('03', { node: 'host-3', revision: 21 }))).toEqual([key('03')])
    expect(view.endpoint('web', idOf('03'))?.node).toBe('host-3')
  })

  it('what we removed stays away until the watch has passed the removal', () => {
    const view = viewOf({ endpoints: [endpointOf('02')] })
    view.removeEndpoint('web', idOf('02'), 30)
    view.seenUpTo('web', 25)
    expect(view.setEndpoint(endpointOf('02', { revision: 26 }))).toEqual([])
    expect(view.endpoint('web', idOf('02'))).toBeUndefined()
    view.seenUpTo('web', 30)
    expect(view.setEndpoint(endpointOf('02', { revision: 31 }))).not.toEqual([])
  })

  it('also what the watch had not shown yet', () => {
    const view = viewOf()
    view.removeEndpoint('web', idOf('02'), 30)
    expect(view.setEndpoint(endpointOf('02', { revision: 29 }))).toEqual([])
  })

  it('of a network that is not followed are passed over', () => {
    const view = viewOf()
    expect(view.setEndpoint(endpointOf('02', { network: 'db' }))).toEqual([])
    expect([...view.endpoints('db')]).toEqual([])
    expect(view.removeEndpoint('db', idOf('02'), 30)).toEqual([])
  })

  it('own ones are found, of one network or of all', () => {
    const networks = [networkOf(), networkOf('db', { vni: 8 })]
    const view = viewOf({ networks, endpoints: [remote, endpointOf('02'), endpointOf('06', { network: 'db' })] })
    const ids = (network?: string) => Array.from(view.localEndpoints(network), ({ id }) => id)
    expect(ids()).toEqual([idOf('02'), idOf('06')])
    expect(ids('db')).toEqual([idOf('06')])
    expect(ids('none')).toEqual([])
    // It moved away.
    view.setEndpoint(endpointOf('02', { node: 'host-2', revision: 21 }))
    expect(ids()).toEqual([idOf('06')])
  })
})

describe('owners of addresses', () => {
  const ip = (last: number) => parseIp(`10.0.9.${last}`)

  it('are known, and forgotten', () => {
    const view = viewOf({ endpoints: [endpointOf('02')] })
    expect(view.ownerOf('web', ip(2))).toBe(idOf('02'))
    expect(view.ownerOf('db', ip(2))).toBeUndefined()
    view.setEndpoint(endpointOf('02', { addresses: ['10.0.9.9'], revision: 21 }))
    expect([view.ownerOf('web', ip(2)), view.ownerOf('web', ip(9))]).toEqual([undefined, idOf('02')])
    view.removeEndpoint('web', idOf('02'))
    expect(view.ownerOf('web', ip(9))).toBeUndefined()
  })

  it('an address that was given anew before its old owner was seen to go keeps its new one', () => {
    const view = viewOf({ endpoints: [endpointOf('02')] })
    view.setEndpoint(endpointOf('04', { addresses: ['10.0.9.2'], revision: 22 }))
    view.removeEndpoint('web', idOf('02'))
    expect(view.ownerOf('web', ip(2))).toBe(idOf('04'))
  })
})

describe('nodes', () => {
  it('a new VTEP address concerns all endpoints of the node, and only those', () => {
    const networks = [networkOf(), networkOf('db', { vni: 8 })]
    const endpoints = [
      endpointOf('02'),
      remote,
      endpointOf('04', { node: 'host-2' }),
      endpointOf('06', { node: 'host-2', network: 'db' }),
      endpointOf('07', { node: 'host-3' }),
    ]
    const view = viewOf({ networks, endpoints })
    const ofHost2 = sorted([key('03'), key('04'), key('06', 'db')])
    expect(view.setNode('host-2', parseIp('192.0.2.2'))).toEqual([])
    expect(sorted(view.setNode('host-2', parseIp('192.0.2.22')))).toEqual(ofHost2)
    expect(view.vtepOf('host-2')).toBe('192.0.2.22')
    expect(sorted(view.setNode('host-2', undefined))).toEqual(ofHost2)
    expect(view.vtepOf('host-2')).toBeUndefined()
    // Known after its endpoints.
    expect(view.setNode('host-3', parseIp('192.0.2.3'))).toEqual([key('07')])
  })

  it('what moved or went is no more concerned', () => {
    const view = viewOf({ endpoints: [remote, endpointOf('04', { node: 'host-2' })] })
    view.setEndpoint(endpointOf('03', { node: 'host-3', revision: 21 }))
    view.removeEndpoint('web', idOf('04'))
    expect(view.setNode('host-2', undefined)).toEqual([])
    expect(view.setNode('host-3', parseIp('192.0.2.3'))).toEqual([key('03')])
  })
})

describe('networks', () => {
  const full = () => viewOf({ endpoints: [endpointOf('02'), remote] })

  it('older or same news are passed over', () => {
    const view = full()
    expect(view.setNetwork(networkOf('web', { mtu: 9000, modRevision: 10 }))).toEqual([])
    expect(view.network('web')?.mtu).toBe(1450)
  })

  it('a change concerns the network and what is local, another VNI everything', () => {
    expect(sorted(full().setNetwork(networkOf('web', { mtu: 1400, modRevision: 11 })))).toEqual([
      key('02'),
      'network web',
    ])
    expect(sorted(full().setNetwork(networkOf('web', { vni: 9, modRevision: 11 })))).toEqual([
      key('02'),
      key('03'),
      'network web',
    ])
  })

  it('a removal concerns everything of it', () => {
    const view = full()
    expect(sorted(view.removeNetwork('web'))).toEqual([key('02'), key('03'), 'network web'])
    expect(view.removeNetwork('web')).toEqual([])
  })

  it('one that is followed no more leaves nothing', () => {
    const view = full()
    expect(sorted(view.unfollow('web'))).toEqual(all('02', '03'))
    expect([...view.endpoints('web'), ...view.localEndpoints()]).toEqual([])
    expect(view.setNode('host-2', undefined)).toEqual([])
    expect(keysOf(view)).toEqual(['host', 'network web'])
  })

  it('following twice forgets nothing', () => {
    const view = full()
    view.follow('web')
    expect(keysOf(view)).toEqual(all('02', '03'))
  })
})

function keysOf(view: View) {
  return sorted(view.keys())
}
