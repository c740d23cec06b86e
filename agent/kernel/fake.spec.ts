import { expect, test } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { type Item, itemId } from '../state/item.ts'
import { asObserved, FakeKernel } from './fake.ts'
import { testNetwork } from './test-network.ts'

const network = testNetwork('web', 9, '192.0.2.1')
const { veth, entry } = network.local(2, '/run/netns/two', '17')

function kernelWith(...items: Item[]) {
  const kernel = new FakeKernel()
  kernel.sandboxes.set('/run/netns/two', '17')
  const apply = (what: 'put' | 'delete', ...some: Item[]) => kernel.apply(some.map((item) => ({ do: what, item })))
  return apply('put', ...items).then(() => ({ kernel, apply }))
}

test('what hangs on a link goes with it', async () => {
  const { kernel, apply } = await kernelWith(...network.items, veth, entry, ...network.remote(3, '192.0.2.2'))
  expect(kernel.text().split('\n')).toHaveLength(11)
  await apply('delete', veth, network.bridge)
  expect(
    kernel
      .text()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(['bridge-pass', 'fdb', 'isolation:', 'link'])
})

test('refuses what the real one would', async () => {
  const { kernel, apply } = await kernelWith(...network.items)
  expect(await apply('put', { ...entry, dev: 'ove9' })).toMatchObject([{ ok: false, error: { code: 'not_found' } }])
  const gone = { ...veth, inside: { ...veth.inside, cookie: '18' } }
  expect(await apply('put', gone)).toMatchObject([{ ok: false, error: { code: 'not_found' } }])
  kernel.failure = ({ item }) => (item.kind === 'veth' ? new OverlayError('internal', 'no') : undefined)
  expect(await apply('put', veth, network.bridge)).toMatchObject([{ ok: false }, { ok: true }])
  expect(() => kernel.netnsIdentity('/run/netns/none')).toThrow('there is no network namespace /run/netns/none')
})

test('a veth is seen from outside; one of another endpoint is made anew', async () => {
  const { kernel, apply } = await kernelWith(...network.items, veth, entry)
  const { name, mtu, inside } = veth
  const seen = async () => (await kernel.observe()).find(({ kind }) => kind === 'veth')
  expect(await seen()).toMatchObject({ name, inside: { mtu, addresses: inside.addresses } })
  kernel.unseen.add(name)
  expect(await seen()).not.toHaveProperty('inside')
  expect(await apply('put', veth)).toEqual([{ ok: true, rebuilt: false }])
  expect(await apply('put', { ...veth, alias: `${veth.alias}x` })).toEqual([{ ok: true, rebuilt: true }])
  expect(kernel.text()).not.toContain('port-entry')
})

test('tells what is on links and in sandboxes, ours and what a test adds', async () => {
  const { kernel } = await kernelWith(...network.items, veth, entry)
  kernel.foreignAddresses.set(veth.name, [parseIp('192.0.2.9')])
  kernel.foreignInterfaces.set('/run/netns/two', ['tap0'])
  expect(kernel.interfacesIn('/run/netns/two')).toEqual(['lo', 'tap0', 'eth0'])
  expect(() => kernel.interfacesIn('/run/netns/none')).toThrow('there is no network namespace')
  const { bridge } = network
  expect(await kernel.linkAddresses()).toEqual([
    { device: bridge.name, alias: bridge.alias, addresses: ['10.0.9.1', 'fd00:9::1'] },
    { device: veth.name, alias: veth.alias, addresses: ['10.0.9.2', 'fd00:9::2', '192.0.2.9'] },
  ])
})

test('flood entries stand one by one and go with their device', async () => {
  const flood = (vtep: string): Item => ({ kind: 'flood-entry', dev: network.vxlan.name, vtep: parseIp(vtep) })
  const { kernel, apply } = await kernelWith(...network.items, flood('192.0.2.2'), flood('192.0.2.3'))
  await apply('delete', flood('192.0.2.2'))
  expect(kernel.text().match(/^flood .*/gm)).toEqual([
    `flood ${network.vxlan.name} 192.0.2.3: kind=flood-entry dev=${network.vxlan.name} vtep=192.0.2.3`,
  ])
  await apply('delete', network.vxlan)
  expect(kernel.text()).not.toContain('flood ')
})

test('tells who watches of what a test says that somebody has changed', async () => {
  const kernel = new FakeKernel()
  const stop = new AbortController()
  const told: unknown[] = []
  kernel.watchChanges((changes) => told.push(changes), stop.signal)
  kernel.change({ ours: true })
  stop.abort()
  kernel.change({ host: true })
  expect(told).toEqual([{ ours: true, host: false, firewall: false }])
})

test('a far end that somebody changed is seen as he left it, until it is put again', async () => {
  const { kernel, apply } = await kernelWith(...network.items, veth)
  const made = asObserved(veth.inside, veth.mtu)
  const seen = async () => (await kernel.observe()).flatMap((item) => (item.kind === 'veth' ? [item.inside] : []))
  expect(await seen()).toEqual([made])
  kernel.items.set(itemId(veth), { ...veth, inside: { ...made, up: false } })
  expect(await seen()).toEqual([{ ...made, up: false }])
  await apply('put', veth)
  expect(await seen()).toEqual([made])
})
