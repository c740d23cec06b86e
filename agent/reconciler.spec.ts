import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import { plan } from './plan.ts'
import { itemId } from './state/item.ts'
import { endpointKey } from './state/key.ts'
import { type HostOfTest, hostOver } from './testing/kernel-state.ts'
import { endpointOf, idOf, networkOf, viewOf } from './testing/views.ts'
import type { View } from './view/view.ts'

const key = (digits: string) => endpointKey('web', idOf(digits))
const remote = (digits: string) => endpointOf(digits, { node: 'host-2' })

let host: HostOfTest
let view: View

/** A host with the local endpoint 02 and the remote 03, audited once. */
async function settled(wish = { endpoints: [endpointOf('02'), remote('03')] }): Promise<void> {
  view = viewOf(wish)
  host = hostOver(view)
  await host.reconciler.audit()
  host.planned()
  host.told()
}

afterEach(() => host.stop())

/** The ids of what there should be. */
const desiredIds = () =>
  view
    .keys()
    .flatMap((one) => plan(view, one).map(itemId))
    .toSorted()
const actualIds = () => [...host.kernel.items.keys()].toSorted()

describe('by key', () => {
  it('does nothing before the first audit, which does everything', async () => {
    view = viewOf({ endpoints: [endpointOf('02')] })
    host = hostOver(view)
    host.reconciler.mark(view.setEndpoint(remote('03')))
    const waiting = host.reconciler.settle([key('02')])
    await new Promise(setImmediate)
    expect(host.kernel.operations).toEqual([])
    await host.reconciler.audit()
    await waiting
    expect(actualIds()).toEqual(desiredIds())
    expect(actualIds()).toHaveLength(9)
  })

  it('an event touches its own keys only', async () => {
    await settled()
    await host.reconciler.settle(view.setEndpoint(remote('04')))
    expect(host.planned()).toEqual([key('04')])
    expect(host.told()).toBe(`put remote-entry 02:00:00:00:00:04 on ovvx7 behind 192.0.2.2
put neighbour 10.0.9.4 is 02:00:00:00:00:04 on ovbr7`)
    await host.reconciler.settle(view.setNode('host-2', parseIp('192.0.2.22')))
    expect(host.planned()).toEqual([key('03'), key('04')])
    expect(host.told()).toBe(`put remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.22
put remote-entry 02:00:00:00:00:04 on ovvx7 behind 192.0.2.22`)
    await host.reconciler.settle(view.removeEndpoint('web', idOf('03')))
    expect(host.told()).toBe(`delete neighbour 10.0.9.3 is 02:00:00:00:00:03 on ovbr7
delete remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.22`)
  })

  it('what is as planned is not touched', async () => {
    await settled()
    await host.reconciler.settle(view.keys())
    await host.reconciler.settle([])
    expect(host.told()).toBe('')
  })

  it('the last local endpoint takes everything along', async () => {
    await settled()
    await host.reconciler.settle(view.removeEndpoint('web', idOf('02')))
    expect(actualIds()).toEqual([])
    expect(host.told()).not.toMatch('neighbour')
  })

  it('what moves to another key is not deleted by the old one', async () => {
    await settled()
    // 04 has the address of 03 before 03 is seen to go.
    await host.reconciler.settle(view.setEndpoint(endpointOf('04', { node: 'host-2', addresses: ['10.0.9.3'] })))
    await host.reconciler.settle(view.removeEndpoint('web', idOf('03')))
    expect(host.told()).toBe(`put remote-entry 02:00:00:00:00:04 on ovvx7 behind 192.0.2.2
put neighbour 10.0.9.3 is 02:00:00:00:00:04 on ovbr7
delete remote-entry 02:00:00:00:00:03 on ovvx7 behind 192.0.2.2`)
    expect(actualIds()).toEqual(desiredIds())
  })
})

describe('failures', () => {
  const refuse = (id: string, error: OverlayError) => {
    host.kernel.failure = ({ item }) => (itemId(item) === id ? error : undefined)
  }
  const busy = new OverlayError('conflict', 'device is busy')

  it('are reported, leave others alone, and are repeated until they succeed', async () => {
    await settled()
    refuse('neighbour ovbr7 10.0.9.4', busy)
    const failing = host.reconciler.settle(view.setEndpoint(remote('04')))
    const fine = host.reconciler.settle(view.setEndpoint(remote('05')))
    await expect(failing).rejects.toBe(busy)
    await fine
    expect([...host.reconciler.problems()]).toEqual([[key('04'), busy]])
    await host.until(() => host.kernel.operations.filter(({ item }) => itemId(item).endsWith('10.0.9.4')).length > 2)
    expect(host.warnings).toHaveLength(1)
    // Another failure is news, and so is the first one after it.
    refuse('neighbour ovbr7 10.0.9.4', new OverlayError('exhausted', 'no room'))
    await host.until(() => host.warnings.length === 2)
    refuse('neighbour ovbr7 10.0.9.4', busy)
    await host.until(() => host.warnings.length === 3)
    host.kernel.failure = () => undefined
    await host.until(() => host.reconciler.problems().size === 0)
    expect(actualIds()).toEqual(desiredIds())
  })

  it('of a delete, too', async () => {
    await settled()
    refuse('fdb ovvx7 02:00:00:00:00:03', busy)
    await expect(host.reconciler.settle(view.removeEndpoint('web', idOf('03')))).rejects.toBe(busy)
    host.kernel.failure = () => undefined
    await host.until(() => host.reconciler.problems().size === 0)
    expect(actualIds()).toEqual(desiredIds())
  })

  it('reject with the error of their own key, or of the first of several', async () => {
    await settled()
    const errors = new Map([
      ['fdb ovvx7 02:00:00:00:00:04', new OverlayError('not_found', 'four')],
      ['fdb ovvx7 02:00:00:00:00:05', new OverlayError('invalid', 'five')],
    ])
    host.kernel.failure = ({ item }) => errors.get(itemId(item))
    const [four, five, both] = [view.setEndpoint(remote('04')), view.setEndpoint(remote('05')), [key('05'), key('04')]]
    const results = await Promise.allSettled([four, five, both].map((keys) => host.reconciler.settle(keys)))
    expect(results.map((result) => result.status === 'rejected' && (result.reason as Error).message)).toEqual([
      'four',
      'five',
      'five',
    ])
  })

  it('of one key do not hold back the others', async () => {
    await settled()
    const triesOf = (digits: string) =>
      host.kernel.operations.filter(({ item }) => itemId(item) === `fdb ovvx7 02:00:00:00:00:${digits}`).length
    refuse('fdb ovvx7 02:00:00:00:00:04', busy)
    await expect(host.reconciler.settle(view.setEndpoint(remote('04')))).rejects.toBe(busy)
    await host.until(() => triesOf('04') > 6)
    refuse('fdb ovvx7 02:00:00:00:00:05', busy)
    const before = triesOf('04')
    await expect(host.reconciler.settle(view.setEndpoint(remote('05')))).rejects.toBe(busy)
    await host.until(() => triesOf('05') > 2)
    expect(triesOf('04') - before).toBeLessThan(triesOf('05') + 2)
    host.kernel.failure = () => undefined
    await host.until(() => host.reconciler.problems().size === 0)
    expect(actualIds()).toEqual(desiredIds())
  })

  it('for want of a link are told with the link, and tried again with it alone', async () => {
    const others = Array.from({ length: 30 }, (_, n) => remote((n + 16).toString(16)))
    view = viewOf({ endpoints: [endpointOf('02'), ...others] })
    host = hostOver(view)
    refuse('link ovvx7', busy)
    await host.reconciler.audit()
    expect(host.reconciler.problems().size).toBe(31)
    const tries = (id: string) => host.kernel.operations.filter(({ item }) => itemId(item) === id).length
    await host.until(() => tries('link ovvx7') > 4)
    expect(tries('fdb ovvx7 02:00:00:00:00:10')).toBe(1)
    expect(host.warnings).toHaveLength(1)
    host.kernel.failure = () => undefined
    await host.until(() => host.reconciler.problems().size === 0)
    expect(actualIds()).toEqual(desiredIds())
  })

  it('of very many objects do not fill the log', async () => {
    view = viewOf({
      endpoints: [endpointOf('02'), ...Array.from({ length: 60 }, (_, n) => remote((n + 16).toString(16)))],
    })
    host = hostOver(view)
    host.kernel.failure = ({ item }) => (item.kind === 'neighbour' ? busy : undefined)
    await host.reconciler.audit()
    expect(host.warnings).toHaveLength(21)
    expect(host.warnings.at(-1)).toContain('"more":40')
  })

  it('when the kernel cannot be looked at, the audit fails and comes again', async () => {
    await settled()
    host.kernel.observeFailure = new Error('no buffer space')
    host.kernel.items.delete('neighbour ovbr7 10.0.9.3')
    await expect(host.reconciler.audit()).rejects.toMatchObject({ code: 'internal', message: 'no buffer space' })
    host.kernel.observeFailure = undefined
    await host.until(() => host.kernel.items.has('neighbour ovbr7 10.0.9.3'))
    await host.until(() => host.reconciler.problems().size === 0)
  })
})

describe('while one round is under way', () => {
  it('what is marked meanwhile is not answered by it', async () => {
    await settled()
    const gate = openable()
    host.kernel.gate = gate.closed
    const first = host.reconciler.settle(view.setEndpoint(remote('04')))
    await host.until(() => host.planned().length > 0)
    // The same key again, with news that the round under way does not have.
    const second = host.reconciler.settle(
      view.setEndpoint(endpointOf('04', { node: 'host-2', addresses: ['10.0.9.44'], revision: 21 })),
    )
    const audited = host.reconciler.audit()
    host.kernel.items.delete('neighbour ovbr7 10.0.9.3')
    let atSecond: readonly string[] = []
    let atAudit: readonly string[] = []
    const seen = Promise.all([
      second.then(() => {
        atSecond = actualIds()
      }),
      audited.then(() => {
        atAudit = actualIds()
      }),
    ])
    gate.open()
    await first
    await seen
    expect(atSecond).toContain('neighbour ovbr7 10.0.9.44')
    expect(atAudit).toContain('neighbour ovbr7 10.0.9.3')
    expect(actualIds()).toEqual(desiredIds())
  })

  it('a stop refuses those who wait', async () => {
    await settled()
    host.kernel.gate = openable().closed
    host.reconciler.mark(view.setEndpoint(remote('04')))
    await host.until(() => host.planned().length > 0)
    const waiting = host.reconciler.settle(view.setEndpoint(remote('05')))
    host.stop()
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
    await expect(host.reconciler.settle([key('02')])).rejects.toMatchObject({ code: 'unavailable' })
    await expect(host.reconciler.audit()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

it('networks come and go as their endpoints do', async () => {
  await settled({ endpoints: [] })
  view.setNetwork(networkOf('db', { subnets: ['10.0.8.0/24'], vni: 8 }))
  view.follow('db')
  const inDb = { network: 'db', addresses: ['10.0.8.6'] }
  for (const endpoint of [endpointOf('02'), endpointOf('06', inDb)]) {
    host.kernel.sandboxes.set(endpoint.sandbox?.path ?? '', endpoint.sandbox?.cookie ?? '')
    await host.reconciler.settle(view.setEndpoint(endpoint))
  }
  expect(actualIds()).toEqual(desiredIds())
  await host.reconciler.settle(view.unfollow('db'))
  expect(actualIds()).toEqual(desiredIds())
  expect(actualIds()).toHaveLength(7)
})

function openable() {
  let open = () => {}
  const closed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { closed, open: () => open() }
}
