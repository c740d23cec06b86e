import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import type { Endpoint, Init } from '../../proto/index.ts'
import type { Entry, Key } from '../../store/store.ts'
import { createGuard, type Guard } from '../guard.ts'
import { endpointEntry, feeds, gone, keys, nodeEntry, put, revision, snapshot, webEntry } from '../testing/feeds.ts'
import { idOf, selfOf } from '../testing/views.ts'
import { Sync } from './sync.ts'
import { View } from './view.ts'

const log = pino({ level: 'silent' })

let feed: ReturnType<typeof feeds>
let view: View
let guard: Guard
let sync: Sync
let stop: AbortController
let generation: number | undefined
const onOwnNode = vi.fn()
const onDirty = vi.fn()
const onUnneeded = vi.fn()
const onHistoryBroken = vi.fn()
const onFailed = vi.fn()

beforeEach(() => {
  vi.resetAllMocks()
  feed = feeds()
  view = new View(selfOf())
  guard = createGuard(log, () => undefined)
  stop = new AbortController()
  generation = 1
  sync = new Sync({
    store: feed.store,
    view,
    guard,
    signal: stop.signal,
    log,
    generation: () => generation,
    onDirty,
    onUnneeded,
    onOwnNode,
    onHistoryBroken,
    onLost: () => undefined,
    onFailed,
  })
})
afterEach(() => stop.abort())

const { nodes, networks } = keys
const web = keys.endpoints('web').prefix

async function inSync(...endpoints: readonly Entry<Endpoint>[]): Promise<void> {
  const started = sync.start(['web'])
  await feed.tell(nodes.prefix, snapshot([nodeEntry(1), nodeEntry(2)]))
  await feed.tell(networks.prefix, snapshot([webEntry()]))
  await feed.tell(web, snapshot(endpoints))
  await started
}

const ids = () => Array.from(view.endpoints('web'), ({ id }) => id)

it('what goes below a key says nothing of that key', async () => {
  await inSync(endpointEntry('03', { node: 'host-2' }))
  const below = ({ path }: Key<unknown>) => gone({ path: `${path}/x`, type: null })
  await feed.tell(nodes.prefix, below(keys.node('host-2')))
  await feed.tell(nodes.prefix, below(keys.node('host-1')))
  await feed.tell(networks.prefix, below(keys.network('web')))
  await feed.tell(web, below(keys.endpoint('web', idOf('03'))))
  expect([view.network('web')?.name, view.vtepOf('host-2'), ids()]).toEqual(['web', '192.0.2.2', [idOf('03')]])
  expect(onUnneeded).not.toHaveBeenCalled()
})

describe('following', () => {
  it('is in sync once every range has told its first snapshot', async () => {
    let started = false
    const starting = sync.start(['web']).then(() => (started = true))
    await feed.tell(nodes.prefix, snapshot([nodeEntry(1), nodeEntry(2)]))
    await feed.tell(networks.prefix, snapshot([webEntry()]))
    expect(started).toBe(false)
    await feed.tell(web, snapshot([endpointEntry('02')]))
    await starting
    expect(view.vtepOf('host-2')).toBe('192.0.2.2')
    expect(view.hasNetwork('web')).toBe(true)
    expect(sync.revision()).toBe(revision())
    expect([...sync.followed()]).toEqual(['web'])
  })

  it('a snapshot later on is told as the difference', async () => {
    await inSync(endpointEntry('02'), endpointEntry('03', { node: 'host-2' }))
    await feed.tell(web, snapshot([endpointEntry('02'), endpointEntry('04', { node: 'host-2' })]))
    expect(ids()).toEqual([idOf('02'), idOf('04')])
    await feed.tell(nodes.prefix, snapshot([nodeEntry(1)]))
    expect(view.vtepOf('host-2')).toBeUndefined()
  })

  it('passes over a record that cannot be used, and goes on', async () => {
    await inSync()
    const bad = endpointEntry('03', { mac: 'none' })
    const changes = [bad, endpointEntry('02')].map((one) => ({ kind: 'put', entry: one }) as const)
    await feed.tell(web, { kind: 'changes', changes, revision: revision() })
    expect(ids()).toEqual([idOf('02')])
    await feed.tell(nodes.prefix, put(nodeEntry(3, 'nowhere')))
    await feed.tell(nodes.prefix, put(nodeEntry(4)))
    expect([view.vtepOf('host-3'), view.vtepOf('host-4')]).toEqual([undefined, parseIp('192.0.2.4')])
  })

  it('passes over a record whose removal fails, and goes on', async () => {
    await inSync(endpointEntry('03', { node: 'host-2' }), endpointEntry('04', { node: 'host-2' }))
    onDirty.mockImplementationOnce(() => {
      throw new Error('no')
    })
    await feed.tell(web, snapshot([]))
    await feed.tell(web, put(endpointEntry('02')))
    expect(ids()).toEqual([idOf('02')])
    expect(onFailed).not.toHaveBeenCalled()
  })

  it.each(['before the first snapshot', 'later on'])('tells when a range is followed no more: %s', async (when) => {
    if (when === 'later on') await inSync()
    else void sync.start(['web'])
    const failure = new Error('no')
    onHistoryBroken.mockImplementation(() => {
      throw failure
    })
    await feed.tell(web, snapshot([], true))
    expect(onFailed.mock.calls).toEqual([[failure]])
  })

  it('what a snapshot has, but cannot be read, stays as it was', async () => {
    await inSync(endpointEntry('02'), endpointEntry('03', { node: 'host-2' }), endpointEntry('04', { node: 'host-2' }))
    await feed.tell(web, snapshot([endpointEntry('02')], false, [keys.endpoint('web', idOf('03')).path]))
    expect(ids().toSorted()).toEqual([idOf('02'), idOf('03')])
  })

  it('what is unfollowed is forgotten, and late news of it are passed over', async () => {
    await inSync(endpointEntry('02'))
    sync.unfollow('web')
    await feed.tell(web, put(endpointEntry('03')))
    expect(ids()).toEqual([])
    const again = sync.follow('web')
    await feed.tell(web, snapshot([endpointEntry('04')]))
    await again
    expect(ids()).toEqual([idOf('04')])
  })
})

describe('eager networks', () => {
  const eager = () => webEntry(7, { eager: true })
  const known = () => [...sync.followed()]

  it('are followed from the start, and it is not in sync before they are in the view', async () => {
    let started = false
    const starting = sync.start([]).then(() => (started = true))
    await feed.tell(nodes.prefix, snapshot([nodeEntry(1), nodeEntry(2)]))
    await feed.tell(networks.prefix, snapshot([eager()]))
    expect(started).toBe(false)
    await feed.tell(web, snapshot([endpointEntry('03', { node: 'host-2' })]))
    await starting
    expect(ids()).toEqual([idOf('03')])
    expect(view.hasNetwork('web')).toBe(true)
  })

  /** In sync with no network; then this one is made. */
  async function made(entry = eager()): Promise<void> {
    const starting = sync.start([])
    await feed.tell(nodes.prefix, snapshot([nodeEntry(1), nodeEntry(2)]))
    await feed.tell(networks.prefix, snapshot([]))
    await starting
    await feed.tell(networks.prefix, put(entry))
  }

  it('are followed as soon as they are made, and not unfollowed while they are there', async () => {
    await made()
    await feed.tell(web, snapshot([endpointEntry('03', { node: 'host-2' })]))
    expect([known(), ids()]).toEqual([['web'], [idOf('03')]])
    sync.unfollow('web')
    expect([known(), ids()]).toEqual([['web'], [idOf('03')]])
    expect(onUnneeded).not.toHaveBeenCalled()
  })

  it('one that is gone without a local endpoint is gone', async () => {
    await made()
    onUnneeded.mockImplementation((network: string) => sync.unfollow(network))
    await feed.tell(networks.prefix, gone(keys.network('web')))
    expect(view.hasNetwork('web')).toBe(false)
    expect(guard.reason()).toBeUndefined()
    expect(onUnneeded.mock.calls).toEqual([['web']])
    expect(known()).toEqual([])
  })

  it('one that is gone with a live endpoint here stays, until that is gone too', async () => {
    await made()
    await feed.tell(web, snapshot([endpointEntry('02')]))
    await feed.tell(networks.prefix, gone(keys.network('web')))
    expect(view.network('web')).toBeDefined()
    expect(guard.reason()).toContain('network web has live endpoints')
    onUnneeded.mockImplementation((network: string) => sync.unfollow(network))
    view.removeEndpoint('web', idOf('02'))
    sync.unfollow('web')
    expect(view.network('web')).toBeUndefined()
    expect(guard.reason()).toBeUndefined()
    expect(known()).toEqual([])
  })

  it('one that was made again as another, which is not, is not needed for its record alone', async () => {
    await made()
    await feed.tell(networks.prefix, put(webEntry(8)))
    expect(onUnneeded.mock.calls).toEqual([['web']])
    sync.unfollow('web')
    expect(known()).toEqual([])
  })

  it('are followed when all is read anew', async () => {
    await made(webEntry())
    expect(known()).toEqual([])
    const again = sync.readAnew()
    await feed.tell(nodes.prefix, snapshot([nodeEntry(1)]))
    await feed.tell(networks.prefix, snapshot([eager()]))
    await feed.tell(web, snapshot([endpointEntry('03', { node: 'host-2' })]))
    await again
    expect([known(), ids()]).toEqual([['web'], [idOf('03')]])
  })
})

describe('the own node', () => {
  it('is told, and that it is gone', async () => {
    await inSync()
    expect(onOwnNode).toHaveBeenLastCalledWith(expect.objectContaining({ path: keys.node('host-1').path }))
    await feed.tell(nodes.prefix, gone(keys.node('host-2')))
    expect(onOwnNode).toHaveBeenCalledTimes(1)
    await feed.tell(nodes.prefix, gone(keys.node('host-1')))
    expect(onOwnNode).toHaveBeenLastCalledWith(undefined)
  })

  it('is gone when already the first snapshot lacks it', async () => {
    void sync.start([])
    await feed.tell(nodes.prefix, snapshot([nodeEntry(2)]))
    expect(onOwnNode.mock.calls).toEqual([[undefined]])
  })
})

describe('what the store takes away', () => {
  it('of another node is taken away', async () => {
    await inSync(endpointEntry('02'), endpointEntry('03', { node: 'host-2' }))
    await feed.tell(web, gone(keys.endpoint('web', idOf('03'))))
    expect(ids()).toEqual([idOf('02')])
    expect(guard.reason()).toBeUndefined()
  })

  it.each<[string, () => void, Init<Endpoint>]>([
    ['of a former boot', () => undefined, { sandbox: { kind: 'NAMESPACE', bootId: 'boot-0' } }],
    ['not plugged in', () => undefined, { sandbox: { kind: 'UNPLUGGED' } }],
    ['being released', () => void view.setOpenIntent('web', idOf('02'), true), {}],
    ['of a former generation', () => (generation = 10_000), {}],
    ['while the node is evicted', () => (generation = undefined), {}],
  ])('of this node, %s, is taken away', async (_, prepare, wish) => {
    await inSync(endpointEntry('02', wish))
    prepare()
    await feed.tell(web, gone(keys.endpoint('web', idOf('02'))))
    expect(ids()).toEqual([])
    expect(guard.reason()).toBeUndefined()
  })

  it('of this node without a proof stays, until its record is back', async () => {
    await inSync(endpointEntry('02'))
    const before = sync.revision()
    await feed.tell(web, gone(keys.endpoint('web', idOf('02'))))
    expect(ids()).toEqual([idOf('02')])
    expect(guard.reason()).toContain(`endpoint ${idOf('02')} of network web lives on this host`)
    // What is seen in doubt is not remembered.
    expect(sync.revision()).toBe(before)
    await feed.tell(web, put(endpointEntry('02')))
    expect(guard.reason()).toBeUndefined()
    expect(sync.revision()).toBe(revision())
  })

  it('of this node without a proof goes once the node has another generation', async () => {
    await inSync(endpointEntry('02'), endpointEntry('04'))
    await feed.tell(networks.prefix, gone(keys.network('web')))
    for (const digits of ['02', '04']) await feed.tell(web, gone(keys.endpoint('web', idOf(digits))))
    generation = revision() + 1
    sync.withheld.review()
    expect(ids()).toEqual([])
    expect(view.network('web')).toBeUndefined()
    expect(guard.reason()).toBeUndefined()
  })

  it('of this node without a proof stays when the node was registered before it', async () => {
    await inSync(endpointEntry('02'), endpointEntry('04', {}, 90_000))
    for (const digits of ['02', '04']) await feed.tell(web, gone(keys.endpoint('web', idOf(digits))))
    generation = 80_000
    sync.withheld.review()
    expect(ids()).toEqual([idOf('04')])
    expect(guard.reason()).toContain(`endpoint ${idOf('04')}`)
  })

  it('a network with live endpoints stays, until its record is back or they are gone', async () => {
    await inSync(endpointEntry('02'))
    await feed.tell(networks.prefix, gone(keys.network('web')))
    expect(view.network('web')).toBeDefined()
    expect(guard.reason()).toContain('network web has live endpoints on this host')
    await feed.tell(networks.prefix, put(webEntry()))
    expect(guard.reason()).toBeUndefined()
    await feed.tell(networks.prefix, gone(keys.network('web')))
    sync.unfollow('web')
    expect(view.network('web')).toBeUndefined()
    expect(guard.reason()).toBeUndefined()
  })

  it('an evicted endpoint may have been the last one that its network was needed for', async () => {
    await inSync(endpointEntry('02'), endpointEntry('03', { node: 'host-2' }))
    await feed.tell(web, gone(keys.endpoint('web', idOf('03'))))
    generation = undefined
    expect(onUnneeded).not.toHaveBeenCalled()
    await feed.tell(web, gone(keys.endpoint('web', idOf('02'))))
    expect(onUnneeded.mock.calls).toEqual([['web']])
  })

  it.each([
    ['at once', () => undefined],
    ['told to be gone first', () => feed.tell(networks.prefix, gone(keys.network('web')))],
  ])(
    'another network in the place of one with live endpoints is only taken once they are gone: %s',
    async (_, meanwhile) => {
      await inSync(endpointEntry('02'))
      await meanwhile()
      await feed.tell(networks.prefix, put(webEntry(8, { uid: 'other', eager: true })))
      expect(view.network('web')?.vni).toBe(7)
      expect(guard.reason()).toContain(
        'network web has live endpoints on this host but is another network in the store',
      )
      generation = revision() + 1
      onUnneeded.mockImplementation((network: string) => sync.unfollow(network))
      await feed.tell(web, gone(keys.endpoint('web', idOf('02'))))
      expect(view.network('web')?.vni).toBe(8)
      expect(guard.reason()).toBeUndefined()
      expect([...sync.followed()]).toEqual(['web'])
    },
  )

  it('another network that is not there either, after all, leaves the first one in place', async () => {
    await inSync(endpointEntry('02'))
    await feed.tell(networks.prefix, put(webEntry(8, { uid: 'other' })))
    await feed.tell(networks.prefix, put(webEntry(7, { mtu: 1300 })))
    expect(view.network('web')).toMatchObject({ vni: 7, mtu: 1300 })
    expect(guard.reason()).toBeUndefined()
  })

  it('and all that it tells, with another history, is passed over until it is read anew', async () => {
    await inSync(endpointEntry('02'))
    const before = sync.revision()
    await feed.tell(web, snapshot([endpointEntry('05', { node: 'host-2' })], true))
    expect(onHistoryBroken).toHaveBeenCalledTimes(1)
    await feed.tell(networks.prefix, put(webEntry(8)))
    await feed.tell(nodes.prefix, snapshot([nodeEntry(2, '192.0.2.9')]))
    expect(ids()).toEqual([idOf('02')])
    expect([view.network('web')?.vni, view.vtepOf('host-2'), onOwnNode.mock.calls.length]).toEqual([7, '192.0.2.2', 1])
    expect([sync.revision(), guard.reason()]).toEqual([before, undefined])
    const again = sync.readAnew()
    await feed.tell(nodes.prefix, snapshot([nodeEntry(1), nodeEntry(2)]))
    await feed.tell(networks.prefix, snapshot([webEntry()]))
    await feed.tell(web, snapshot([endpointEntry('03', { node: 'host-2' })]))
    await again
    expect(ids()).toEqual([idOf('02'), idOf('03')])
    expect(guard.reason()).toContain(`endpoint ${idOf('02')}`)
  })
})

describe('networksSeen', () => {
  it('resolves once the revision was seen, whatever it was about', async () => {
    await inSync()
    const next = webEntry(8)
    const seen = sync.networksSeen(next.modRevision, stop.signal)
    await feed.tell(networks.prefix, put(next))
    await seen
    expect(view.network('web')?.vni).toBe(8)
    await sync.networksSeen(next.modRevision, stop.signal)
    const gives = new AbortController()
    const failed = sync.networksSeen(revision() + 100, gives.signal)
    gives.abort()
    await expect(failed).rejects.toMatchObject({ code: 'deadline' })
  })
})
