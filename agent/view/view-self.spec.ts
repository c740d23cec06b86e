import { expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { endpointKey } from '../state/key.ts'
import { endpointOf, idOf, viewOf } from '../testing/views.ts'

const full = () => viewOf({ endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })] })

it('with another VTEP address all is planned anew', () => {
  const view = full()
  expect(view.setSelf({ vtep: parseIp('192.0.2.11') })).toEqual(view.keys())
  expect(view.self).toMatchObject({ vtep: '192.0.2.11', node: 'host-1' })
  expect(view.otherVteps()).toEqual(['192.0.2.2'])
})

it('a host that was evicted has nothing, until what it has is newer than its record', () => {
  const view = full()
  view.setSelf({ generation: undefined })
  expect(view.hasNetwork('web')).toBe(false)
  view.setSelf({ generation: 21 })
  expect(view.hasNetwork('web')).toBe(false)
  view.setSelf({ generation: 20 })
  expect(view.hasNetwork('web')).toBe(true)
})

it('a network stays whose one endpoint has lost its sandbox', () => {
  const view = full()
  expect(view.setVanished('web', idOf('02'), true)).toEqual([endpointKey('web', idOf('02'))])
  expect([view.isVanished(idOf('02')), view.hasNetwork('web')]).toEqual([true, true])
  view.setVanished('web', idOf('02'), false)
  expect(view.isVanished(idOf('02'))).toBe(false)
})
