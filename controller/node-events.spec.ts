import { beforeEach, describe, expect, it } from 'vitest'
import { type Drain, type Event, type Init, Node, type Repairs, type Session } from '../proto/index.ts'
import { createKeys } from '../store/keys.ts'
import type { Entry } from '../store/store.ts'
import type { Difference } from './differences.ts'
import { tellOfNodes } from './node-events.ts'
import type { RangeView } from './range-view.ts'

const keys = createKeys('/t/')

/** A range as the test says that it is. */
function range<T>(pathOf: (value: T) => string) {
  const entries = new Map<string, Entry<T>>()
  const listeners = new Set<(difference: Difference<T>) => void>()
  const view: RangeView<T> = {
    entries,
    inSync: Promise.resolve(),
    onDifference(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const set = (value: T) => entries.set(pathOf(value), { path: pathOf(value), value } as Entry<T>)
  const tell = (difference: Difference<T>) => {
    for (const listener of listeners) listener(difference)
  }
  return {
    view,
    set,
    tell,
    create(now: T) {
      set(now)
      tell({ kind: 'created', now })
    },
    remove(before: T) {
      entries.delete(pathOf(before))
      tell({ kind: 'removed', before })
    },
  }
}

const host1 = Node.create({ name: 'host1', vtepAddress: '192.0.2.1' })
const session = { node: 'host1', bootId: 'b' } as Session
const drain = { node: 'host1', reason: 'disk' } as Drain

let nodes: ReturnType<typeof range<Node>>
let sessions: ReturnType<typeof range<Session>>
let drains: ReturnType<typeof range<Drain>>
let repaired: (node: string, repairs: Repairs) => void
let told: string[]

async function begin(): Promise<void> {
  const links = {
    onRepairs: (listener: typeof repaired) => {
      repaired = listener
      return () => true
    },
  }
  const tell = (action: string, { node, message = '' }: Init<Event>) =>
    void told.push(`${action} ${node?.name} ${node?.vtepAddress} ${message}`.trim())
  await tellOfNodes({ keys, nodes: nodes.view, sessions: sessions.view, drains: drains.view, links, tell })
  told = []
}

beforeEach(() => {
  told = []
  nodes = range<Node>(({ name }) => keys.node(name).path)
  sessions = range<Session>(({ node }) => keys.session(node).path)
  drains = range<Drain>(({ node }) => keys.drain(node).path)
})

describe('a node is told with its address', () => {
  it('when it joins: its session comes before its record', async () => {
    await begin()
    sessions.create(session)
    expect(told).toEqual([])
    nodes.create(host1)
    expect(told).toEqual(['CREATED host1 192.0.2.1', 'LIVE host1 192.0.2.1'])
  })

  it('when it joins again, with another address', async () => {
    nodes.set(host1)
    sessions.set(session)
    await begin()
    nodes.remove(host1)
    sessions.remove(session)
    sessions.create(session)
    nodes.create({ ...host1, vtepAddress: '192.0.2.9' })
    expect(told).toEqual([
      'REMOVED host1 192.0.2.1',
      'LOST host1 192.0.2.1',
      'CREATED host1 192.0.2.9',
      'LIVE host1 192.0.2.9',
    ])
  })

  it('when its agent lives on, and registers anew', async () => {
    nodes.set(host1)
    sessions.set(session)
    drains.set(drain)
    await begin()
    nodes.remove(host1)
    drains.remove(drain)
    nodes.create(host1)
    expect(told).toEqual([
      'REMOVED host1 192.0.2.1',
      'UPDATED host1 192.0.2.1 no longer drained',
      'CREATED host1 192.0.2.1',
    ])
  })
})

it('a session that is made anew between two looks is told as both', async () => {
  nodes.set(host1)
  sessions.set(session)
  await begin()
  sessions.tell({ kind: 'removed', before: session })
  sessions.tell({ kind: 'created', now: session })
  sessions.tell({ kind: 'updated', before: session, now: session })
  expect(told).toEqual(['LOST host1 192.0.2.1', 'LIVE host1 192.0.2.1'])
})

it('nothing is told of who never registered, or of the mark of who is no more', async () => {
  drains.set(drain)
  await begin()
  sessions.create(session)
  sessions.remove(session)
  drains.remove(drain)
  expect(told).toEqual([])
})

it('drains and repairs are told', async () => {
  nodes.set(host1)
  await begin()
  drains.create(drain)
  drains.remove(drain)
  repaired('host1', { deviations: [], more: 2 })
  expect(told.slice(0, 2)).toEqual([
    'UPDATED host1 192.0.2.1 drained: disk',
    'UPDATED host1 192.0.2.1 no longer drained',
  ])
  expect(told[2]).toMatch(/^REPAIRED host1 192\.0\.2\.1 .*2/)
})
