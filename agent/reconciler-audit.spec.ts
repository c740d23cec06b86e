import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { parseMac } from '../lib/mac.ts'
import type { Bridge, Vxlan } from './state/item.ts'
import { endpointKey } from './state/key.ts'
import { type HostOfTest, hostOver } from './testing/kernel-state.ts'
import { endpointOf, idOf, viewOf } from './testing/views.ts'
import type { View } from './view/view.ts'

const key = (digits: string) => endpointKey('web', idOf(digits))
const remote = (digits: string) => endpointOf(digits, { node: 'host-2' })

let host: HostOfTest
let view: View
let whole = ''

/** A host with the local endpoint 02 and the remote 03, audited once. */
async function settled(): Promise<void> {
  view = viewOf({ endpoints: [endpointOf('02'), remote('03')] })
  host = hostOver(view)
  await host.reconciler.audit()
  whole = host.kernel.text()
  host.told()
}

/** The same host after its agent was started again: another reconciler, the same kernel. */
function restarted(): void {
  const { items, sandboxes } = host.kernel
  host.stop()
  host = hostOver(view)
  for (const [id, item] of items) {
    const { inside: _, ...seen } = { inside: undefined, ...item }
    host.kernel.items.set(id, seen)
  }
  for (const [path, cookie] of sandboxes) host.kernel.sandboxes.set(path, cookie)
}

const stranger: Bridge = {
  kind: 'bridge',
  name: 'ovbr9',
  mac: parseMac('02:00:00:00:00:b9'),
  mtu: 1450,
  alias: 'overlay/c1/gone',
}

afterEach(() => host.stop())

describe('audit', () => {
  it('of what is as planned makes no operation at all, also after a restart', async () => {
    await settled()
    await host.reconciler.audit()
    expect(host.told()).toBe('')
    restarted()
    await host.reconciler.audit()
    expect(host.told()).toBe('')
  })

  it.each([
    ['an entry', ['neighbour ovbr7 10.0.9.3']],
    ['a veth with its entry', ['link ove020000000000', 'fdb ove020000000000 02:00:00:00:00:02']],
    ['the isolation', ['isolation']],
  ])('brings back %s that somebody took away', async (_, ids) => {
    await settled()
    for (const id of ids) host.kernel.items.delete(id)
    await host.reconciler.audit()
    expect(host.kernel.text()).toBe(whole)
    expect(host.told().split('\n')).toHaveLength(ids.length)
  })

  it('mends what somebody changed, and what is there in half', async () => {
    await settled()
    const vxlan = host.kernel.items.get('link ovvx7') as Vxlan
    host.kernel.items.set('link ovvx7', { ...vxlan, mtu: 9000 })
    const entry = host.kernel.items.get('fdb ovvx7 02:00:00:00:00:03')
    host.kernel.items.set('fdb ovvx7 02:00:00:00:00:03', {
      ...entry,
      faults: [{ what: 'master', wanted: 'ovbr7', found: '' }],
    } as never)
    await host.reconciler.audit()
    expect(host.kernel.text()).toBe(whole)
    expect(host.told()).toMatch(/^put vxlan ovvx7 .*\nput remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2$/)
  })

  it('sweeps what is ours and not planned', async () => {
    await settled()
    host.kernel.items.set('link ovbr9', stranger)
    host.kernel.items.set('bridge-pass ovbr9', { kind: 'bridge-pass', bridge: 'ovbr9' })
    await host.reconciler.audit()
    expect(host.kernel.text()).toBe(whole)
    restarted()
    view.removeEndpoint('web', idOf('03'))
    host.kernel.items.set('link ovbr9', stranger)
    await host.reconciler.audit()
    expect(host.kernel.items.has('link ovbr9')).toBe(false)
    expect(host.kernel.items.has('neighbour ovbr7 10.0.9.3')).toBe(false)
    expect(host.kernel.items.has('link ove020000000000')).toBe(true)
  })

  it('follows when a link had to be made anew, and brings back what hung on it', async () => {
    await settled()
    const vxlan = host.kernel.items.get('link ovvx7') as Vxlan
    host.kernel.items.set('link ovvx7', { ...vxlan, port: 8472 })
    await host.reconciler.audit()
    await host.until(() => host.kernel.text() === whole)
    expect(host.told()).toMatch(/^put vxlan ovvx7 .*\nput remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2$/)
  })
})

describe('on hold', () => {
  it('nothing is deleted, everything else is done, and the end of it sweeps', async () => {
    await settled()
    host.hold = true
    host.kernel.items.set('link ovbr9', stranger)
    await host.reconciler.settle(view.removeEndpoint('web', idOf('03')))
    await host.reconciler.settle(view.setEndpoint(remote('04')))
    await host.reconciler.audit()
    expect(host.told()).not.toMatch('delete')
    expect([...host.kernel.items.keys()]).toEqual(
      expect.arrayContaining(['link ovbr9', 'neighbour ovbr7 10.0.9.3', 'neighbour ovbr7 10.0.9.4']),
    )
    host.hold = false
    await host.reconciler.audit()
    const ids = [...host.kernel.items.keys()]
    expect(ids).not.toContain('link ovbr9')
    expect(ids).not.toContain('neighbour ovbr7 10.0.9.3')
  })

  it('a detach takes its own interface down, and nothing else', async () => {
    await settled()
    host.hold = true
    view.removeEndpoint('web', idOf('02'))
    await host.reconciler.settle([key('02')], { forced: true })
    expect(host.told()).toMatch(/^delete veth ove020000000000 [^\n]*$/)
    expect([...host.kernel.items.keys()]).toContain('link ovbr7')
  })

  it('a detach that failed is repeated', async () => {
    await settled()
    host.hold = true
    host.kernel.failure = ({ do: what }) => (what === 'delete' ? new OverlayError('conflict', 'busy') : undefined)
    view.removeEndpoint('web', idOf('02'))
    await expect(host.reconciler.settle([key('02')], { forced: true })).rejects.toThrow('busy')
    host.kernel.failure = () => undefined
    await host.until(() => !host.kernel.items.has('link ove020000000000'))
    expect(host.kernel.items.has('link ovbr7')).toBe(true)
  })

  it('a detached endpoint that is attached again is safe', async () => {
    await settled()
    host.hold = true
    host.kernel.failure = ({ do: what }) => (what === 'delete' ? new OverlayError('conflict', 'busy') : undefined)
    view.setOpenIntent('web', idOf('02'), true)
    await expect(host.reconciler.settle([key('02')], { forced: true })).rejects.toThrow('busy')
    view.setOpenIntent('web', idOf('02'), false)
    host.kernel.failure = () => undefined
    await host.reconciler.settle([key('02')])
    view.removeEndpoint('web', idOf('02'))
    await host.reconciler.settle([key('02')])
    expect(host.kernel.items.has('link ove020000000000')).toBe(true)
  })

  it('what was found in half and is whole now is not made again', async () => {
    await settled()
    host.hold = true
    view.removeEndpoint('web', idOf('03'))
    const id = 'neighbour ovbr7 10.0.9.3'
    const entry = host.kernel.items.get(id)
    host.kernel.items.set(id, { ...entry, faults: [{ what: 'master', wanted: 'ovbr7', found: '' }] } as never)
    await host.reconciler.audit()
    host.kernel.items.set(id, entry as never)
    await host.reconciler.audit()
    host.told()
    await host.reconciler.settle(view.setEndpoint(remote('03')))
    expect(host.told()).toBe('')
  })
})
