import { expect, it } from 'vitest'
import { endpointKey } from '../state/key.ts'
import { endpointOf, idOf, viewOf } from '../testing/views.ts'

it('of another host’s endpoint only what is planned from is kept', () => {
  const local = { ...endpointOf('02', { name: 'db', gwPriority: 7 }), labels: { a: 'b' } }
  const remote = { ...endpointOf('03', { node: 'host-2', name: 'www', gwPriority: 7 }), labels: { a: 'b' } }
  const view = viewOf({ endpoints: [local, remote, endpointOf('04', { node: 'host-2', unplugged: true })] })
  expect(view.endpoint('web', local.id)).toEqual(local)
  const { id, network, node, mac, addresses, createRevision, modRevision } = remote
  const kept = { id, network, node, mac, addresses, createRevision, modRevision }
  expect(view.endpoint('web', id)).toEqual({
    ...kept,
    ifname: '',
    name: '',
    gwPriority: 0,
    labels: {},
    createdAt: '',
    sandbox: { bootId: '', cookie: '', path: '' },
  })
  expect(view.endpoint('web', idOf('04'))?.sandbox).toBeUndefined()
})

it('an endpoint that comes to this host is kept whole, and is the other’s no more', () => {
  const view = viewOf({ endpoints: [endpointOf('03', { node: 'host-2', revision: 20 })] })
  const local = endpointOf('03', { name: 'db', revision: 21 })
  view.setEndpoint(local)
  expect(view.endpoint('web', local.id)).toEqual(local)
  expect([...view.setNode('host-2', undefined)]).not.toContain(endpointKey('web', local.id))
})
