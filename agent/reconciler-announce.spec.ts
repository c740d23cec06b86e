import { afterEach, expect, test } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import { itemId } from './state/item.ts'
import { type HostOfTest, hostOver } from './testing/kernel-state.ts'
import { endpointOf, idOf, macOfEndpoint, viewOf } from './testing/views.ts'
import type { View } from './view/view.ts'

let host: HostOfTest
let view: View

/** A host with the local endpoint 02 and the remote 03, audited once. */
async function settled(): Promise<void> {
  view = viewOf({ endpoints: [endpointOf('02'), endpointOf('03', { node: 'host-2' })] })
  host = hostOver(view)
  await host.reconciler.audit()
}
afterEach(() => host.stop())

/** Another endpoint has the address of 03. */
const successor = endpointOf('04', { node: 'host-3', addresses: ['10.0.9.3'] })
const announcement = { bridge: 'ovbr7', address: parseIp('10.0.9.3'), mac: macOfEndpoint('04'), port: undefined }

test('an address that is used again is announced when its entries are written', async () => {
  await settled()
  await host.reconciler.settle(view.setNode('host-3', parseIp('192.0.2.3')))
  await host.reconciler.settle(view.removeEndpoint('web', idOf('03')))
  expect(host.kernel.announced).toEqual([])
  const neighbour = `neighbour ovbr7 10.0.9.3`
  host.kernel.failure = ({ item }) => (itemId(item) === neighbour ? new OverlayError('conflict', 'busy') : undefined)
  await expect(host.reconciler.settle(view.setEndpoint(successor))).rejects.toThrow('busy')
  expect(host.kernel.announced).toEqual([])
  host.kernel.failure = () => undefined
  await host.until(() => host.kernel.announced.length > 0)
  expect(host.kernel.items.has(neighbour)).toBe(true)
  expect(host.kernel.announced).toEqual([announcement])
})

test('so is one whose entry was replaced while the agent was away', async () => {
  await settled()
  host.stop()
  const { items } = host.kernel
  view = viewOf({ endpoints: [endpointOf('02'), successor], nodes: { 'host-3': '192.0.2.3' } })
  host = hostOver(view)
  for (const [id, item] of items) host.kernel.items.set(id, item)
  await host.reconciler.audit()
  expect(host.kernel.announced).toEqual([announcement])
})

test('what comes, goes and comes back as it was is not announced', async () => {
  await settled()
  for (const digits of ['02', '03']) {
    const endpoint = view.endpoint('web', idOf(digits)) ?? endpointOf(digits)
    await host.reconciler.settle(view.removeEndpoint('web', idOf(digits)))
    await host.reconciler.settle(view.setEndpoint(endpoint))
  }
  await host.reconciler.audit()
  expect(host.kernel.announced).toEqual([])
})
