import { expect, it } from 'vitest'
import { plan } from '../plan.ts'
import { itemId, type Vxlan } from '../state/item.ts'
import { endpointKey, networkKey, straysKey } from '../state/key.ts'
import { endpointOf, idOf, viewOf } from '../testing/views.ts'
import { deviationOf } from './deviation.ts'

const view = viewOf({ endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })] })
const items = new Map(view.keys().flatMap((key) => plan(view, key).map((item) => [itemId(item), item] as const)))
const item = (id: string) => {
  const found = items.get(id)
  if (!found) throw new Error(`there is no ${id} among ${[...items.keys()].join(', ')}`)
  return found
}
const put = (id: string) => ({ do: 'put', item: item(id) }) as const

it('tells all of what is missing, but what its name says', () => {
  const key = endpointKey('web', idOf('03'))
  const operation = put('fdb ovvx7 02:00:00:00:00:03')
  expect(deviationOf({ operation, found: undefined, key }, { times: 1 })).toEqual({
    kind: 'MISSING',
    object: 'fdb ovvx7 02:00:00:00:00:03',
    network: 'web',
    endpointId: idOf('03'),
    wanted: ['vtep 192.0.2.2'],
    found: [],
    obstacle: '',
    times: 1,
  })
})

it('tells also what is inside a sandbox', () => {
  const found = deviationOf({ operation: put('link ove020000000000'), found: undefined, key: networkKey('web') })
  expect(found.wanted).toEqual(
    expect.arrayContaining([
      'bridge ovbr7',
      'mtu 1450',
      'ifname inside eth0',
      'address inside 10.0.9.2/24',
      'gateway inside 10.0.9.1',
    ]),
  )
})

it('tells of what is different only that', () => {
  const operation = put('link ovvx7')
  const faults = [{ what: 'learning', wanted: 'off', found: 'on' }]
  const found = { ...(operation.item as Vxlan), mtu: 9000, bridge: '', faults }
  expect(deviationOf({ operation, found, key: networkKey('web') }, { obstacle: 'busy' })).toMatchObject({
    kind: 'DIFFERENT',
    object: 'link ovvx7',
    network: 'web',
    endpointId: '',
    wanted: ['mtu 1450', 'bridge ovbr7', 'learning off'],
    found: ['mtu 9000', 'learning on'],
    obstacle: 'busy',
  })
})

it('tells all of what should not be', () => {
  const { item: neighbour } = put('neighbour ovbr7 10.0.9.3')
  const operation = { do: 'delete', item: neighbour } as const
  expect(deviationOf({ operation, found: neighbour, key: straysKey })).toMatchObject({
    kind: 'SURPLUS',
    network: '',
    wanted: [],
    found: ['mac 02:00:00:00:00:03'],
  })
})
