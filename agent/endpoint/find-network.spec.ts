import { expect, it, vi } from 'vitest'
import { Network } from '../../proto/index.ts'
import { endpointOf, networkOf, viewOf } from '../testing/views.ts'
import { takeNetwork } from './find-network.ts'

/** The view knows `web` at revision 10, or not at all; the watch has told all up to `seen`. */
function taking({ knows = true, lives = false, seen = 10 }) {
  const view = viewOf({ networks: knows ? [networkOf()] : [], endpoints: lives ? [endpointOf('02')] : [] })
  const mark = vi.fn()
  const parts = { view, sync: { hasSeenNetworks: (revision: number) => revision <= seen }, reconciler: { mark } }
  return (modRevision: number, uid = 'uid-of-web') => {
    const subnets = [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1' }]
    const value = Network.create({ name: 'web', uid, vni: 7, mtu: 1400, subnets })
    const entry = { path: '', json: {}, value, createRevision: 1, modRevision }
    const taken = takeNetwork(parts as unknown as Parameters<typeof takeNetwork>[0], entry)
    return { taken, marked: mark.mock.calls.flat(2) }
  }
}

it('a network that the view does not know yet is taken in', () => {
  const { taken, marked } = taking({ knows: false })(11)
  expect(taken?.mtu).toBe(1400)
  expect(marked).toContain('network web')
})

it('one that the view saw go after it was read is not brought back', () => {
  expect(taking({ knows: false, seen: 12 })(11)).toEqual({ taken: undefined, marked: [] })
})

it('what the view knows better counts', () => {
  expect(taking({})(9).taken?.mtu).toBe(1450)
  expect(taking({ seen: 9 })(11).taken?.mtu).toBe(1400)
})

it('another network in the place of one with live endpoints is left to the watch', () => {
  expect(taking({ lives: true })(11, 'other')).toMatchObject({ taken: { uid: 'uid-of-web' }, marked: [] })
  expect(taking({ lives: true })(11).taken?.mtu).toBe(1400)
  expect(taking({})(11, 'other').taken?.uid).toBe('other')
})
