import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { parseMac } from '../lib/mac.ts'
import { deviationOf } from './drift/deviation.ts'
import { asObserved } from './kernel/fake.ts'
import { type Bridge, itemId, type Veth, type Vxlan } from './state/item.ts'
import { endpointKey } from './state/key.ts'
import { type HostOfTest, hostOver } from './testing/kernel-state.ts'
import { endpointOf, idOf, viewOf } from './testing/views.ts'
import type { View } from './view/view.ts'

const key = (digits: string) => endpointKey('web', idOf(digits))
const remote = (digits: string) => endpointOf(digits, { node: 'host-2' })
const neighbour = 'neighbour ovbr7 10.0.9.3'

let host: HostOfTest
let view: View

/** A host with the local endpoint 02 and the remote 03, audited once. */
async function settled(): Promise<void> {
  view = viewOf({ endpoints: [endpointOf('02'), remote('03')] })
  host = hostOver(view)
  await host.reconciler.audit()
  host.told()
}

afterEach(() => host.stop())

const mended = () =>
  host.mended.map((finding) => {
    const { kind, object } = deviationOf(finding)
    return `${kind} ${object}${finding.wentWithLink ? ' with its link' : ''}`
  })
const stranger = (alias: string): Bridge => {
  return { kind: 'bridge', name: 'ovbr9', mac: parseMac('02:00:00:00:00:b9'), mtu: 1450, alias }
}
const busy = new OverlayError('conflict', 'device is busy')
const refuse = (id: string) => {
  host.kernel.failure = ({ item }) => (itemId(item) === id ? busy : undefined)
}

describe('what audits mend', () => {
  it('is nothing at first, whatever there was', async () => {
    view = viewOf({ endpoints: [endpointOf('02'), remote('03')] })
    host = hostOver(view)
    host.kernel.items.set('link ovbr9', stranger('overlay/c1/gone'))
    await host.reconciler.audit()
    expect(mended()).toEqual([])
  })

  it('is what was taken away, changed, or added', async () => {
    await settled()
    host.kernel.items.delete(neighbour)
    const vxlan = host.kernel.items.get('link ovvx7') as Vxlan
    host.kernel.items.set('link ovvx7', { ...vxlan, mtu: 9000 })
    host.kernel.items.set('link ovbr9', stranger('overlay/c1/gone'))
    await host.reconciler.audit()
    expect(mended()).toEqual(['DIFFERENT link ovvx7', `MISSING ${neighbour}`, 'SURPLUS link ovbr9'])
    await host.reconciler.audit()
    expect(mended()).toHaveLength(3)
  })

  it('is a link, and with it what it carried', async () => {
    await settled()
    for (const id of ['link ovbr7', 'address ovbr7 10.0.9.1', neighbour]) host.kernel.items.delete(id)
    await host.reconciler.audit()
    expect(mended()).toEqual([
      'MISSING link ovbr7',
      'MISSING address ovbr7 10.0.9.1 with its link',
      `MISSING ${neighbour} with its link`,
    ])
  })

  it('is not the own work that was under way', async () => {
    await settled()
    view.setEndpoint(remote('04'))
    view.removeEndpoint('web', idOf('03'))
    await host.reconciler.audit()
    expect(mended()).toEqual([])
    // An attach that is given up leaves a link without a mark.
    host.kernel.items.set('link ovbr9', stranger(''))
    await host.reconciler.audit()
    expect(host.kernel.items.has('link ovbr9')).toBe(false)
    expect(mended()).toEqual([])
  })

  it('is told when it is mended, however late, and once', async () => {
    await settled()
    refuse(neighbour)
    host.kernel.items.delete(neighbour)
    await host.reconciler.audit()
    await host.reconciler.audit()
    expect(mended()).toEqual([])
    host.kernel.failure = () => undefined
    await host.until(() => host.mended.length > 0)
    await host.reconciler.audit()
    expect(mended()).toEqual([`MISSING ${neighbour}`])
  })

  it('is not told when somebody else has mended it', async () => {
    await settled()
    const entry = host.kernel.items.get(neighbour)
    refuse(neighbour)
    host.kernel.items.delete(neighbour)
    await host.reconciler.audit()
    if (entry) host.kernel.items.set(neighbour, entry)
    await host.reconciler.audit()
    host.kernel.failure = () => undefined
    await host.reconciler.audit()
    expect(mended()).toEqual([])
    expect(host.reconciler.problems().size).toBe(0)
  })

  it('what is held back is told when it is done', async () => {
    await settled()
    host.hold = true
    host.kernel.items.set('link ovbr9', stranger('overlay/c1/gone'))
    await host.reconciler.audit()
    await host.reconciler.audit()
    expect(mended()).toEqual([])
    host.hold = false
    await host.reconciler.audit()
    expect(mended()).toEqual(['SURPLUS link ovbr9'])
  })
})

describe('compare', () => {
  const deviations = async () =>
    (await host.reconciler.compare()).differing.map(({ obstacle, ...one }) => {
      const { kind, object } = deviationOf(one)
      return `${kind} ${object}${obstacle && `: ${obstacle}`}`
    })

  it('finds nothing where all is as planned, and counts it', async () => {
    await settled()
    expect(await host.reconciler.compare()).toEqual({ differing: [], objects: host.kernel.items.size })
  })

  it('finds what differs in the order of mending, and changes nothing', async () => {
    await settled()
    host.kernel.items.set('link ovbr9', stranger('overlay/c1/gone'))
    host.kernel.items.delete(neighbour)
    host.kernel.items.delete('isolation')
    const before = host.kernel.text()
    expect(await deviations()).toEqual(['MISSING isolation', `MISSING ${neighbour}`, 'SURPLUS link ovbr9'])
    expect(host.kernel.text()).toBe(before)
    expect(host.told()).toBe('')
    // It is still news to the audit.
    await host.reconciler.audit()
    expect(mended()).toHaveLength(3)
  })

  it('says whose it is, and why it is not mended', async () => {
    await settled()
    host.hold = true
    refuse(neighbour)
    host.kernel.items.delete(neighbour)
    host.kernel.items.set('link ovbr9', stranger('overlay/c1/gone'))
    await host.reconciler.audit()
    expect(await deviations()).toEqual([`MISSING ${neighbour}: device is busy`, 'SURPLUS link ovbr9: on hold'])
    const { differing } = await host.reconciler.compare()
    expect(differing.map((one) => one.key)).toEqual([key('03'), 'network gone'])
  })

  it('tells of an interface that was renamed inside its sandbox, which audits leave alone', async () => {
    await settled()
    const id = 'link ove020000000000'
    const veth = host.kernel.items.get(id) as Veth
    host.kernel.items.set(id, { ...veth, inside: { ...asObserved(veth.inside, veth.mtu), ifname: 'foo' } })
    await host.reconciler.audit()
    expect([host.told(), mended()]).toEqual(['', []])
    const [one, ...others] = (await host.reconciler.compare()).differing
    expect(others).toEqual([])
    expect(one && deviationOf(one)).toMatchObject({
      kind: 'DIFFERENT',
      object: id,
      endpointId: idOf('02'),
      wanted: ['ifname inside eth0'],
      found: ['ifname inside foo'],
    })
    expect(one?.obstacle).toContain('is left to whoever gave it')
    // What else differs there is mended.
    const moved = { ...asObserved(veth.inside, 9_000), ifname: 'foo' }
    host.kernel.items.set(id, { ...veth, inside: moved })
    expect((await host.reconciler.compare()).differing.map((each) => deviationOf(each).found)).toEqual([
      ['mtu inside 9000'],
      ['ifname inside foo'],
    ])
  })

  it('waits for what is marked, and passes over what is marked meanwhile', async () => {
    await settled()
    host.reconciler.mark(view.setEndpoint(remote('04')))
    const compared = deviations()
    expect(await compared).toEqual([])
    expect(host.told()).not.toBe('')
    const observe = host.kernel.observe.bind(host.kernel)
    host.kernel.observe = async () => {
      const seen = await observe()
      host.reconciler.mark(view.setEndpoint(remote('05')))
      return seen
    }
    expect(await deviations()).toEqual([])
  })

  it('comes to its turn also when keys are marked all the time', async () => {
    await settled()
    const stop = new AbortController()
    const marking = (async () => {
      // Nothing else has a turn meanwhile: without an end, a failure would never be told.
      for (let n = 0; n < 10_000 && !stop.signal.aborted; n++) await host.reconciler.settle([key('03')])
    })()
    try {
      host.kernel.items.delete('isolation')
      expect(await deviations()).toEqual(['MISSING isolation'])
    } finally {
      stop.abort()
      await marking
    }
  })

  it('passes over what only the first look finds', async () => {
    await settled()
    const observe = host.kernel.observe.bind(host.kernel)
    let looks = 0
    host.kernel.observe = async () => {
      const seen = await observe()
      return looks++ === 0 ? seen.filter((item) => itemId(item) !== neighbour) : seen
    }
    expect(await deviations()).toEqual([])
    expect(looks).toBe(2)
  })

  it('fails when the kernel cannot be looked at, and when the agent is stopped', async () => {
    await settled()
    host.kernel.observeFailure = new Error('no buffer space')
    await expect(host.reconciler.compare()).rejects.toThrow('no buffer space')
    host.kernel.gate = new Promise(() => undefined)
    host.reconciler.mark(view.setEndpoint(remote('04')))
    await new Promise(setImmediate)
    const compared = host.reconciler.compare()
    host.stop()
    await expect(compared).rejects.toMatchObject({ code: 'unavailable' })
    await expect(host.reconciler.compare()).rejects.toMatchObject({ code: 'unavailable' })
  })
})
