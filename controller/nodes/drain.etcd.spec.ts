import { afterAll, beforeAll, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import {
  DrainNodeRequest,
  type Event,
  EventsService,
  type Init,
  Network,
  NodesService,
  RemoveNodeRequest,
  UndrainNodeRequest,
} from '../../proto/index.ts'
import { put, type Store } from '../../store/store.ts'
import {
  claim,
  detachingAgents,
  everyKey,
  registerNode,
  startSession,
  type TestStores,
  testStores,
  until,
} from '../cluster-for-tests.ts'
import type { Agents } from '../endpoints/detach-each.ts'
import { serve } from '../served-for-tests.ts'
import { drainNode, undrainNode } from './drain.ts'
import { listNodes } from './list.ts'
import { removeNode } from './remove.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const never = new AbortController().signal
const web = Network.create({ name: 'web', uid: 'u' })
const db = Network.create({ name: 'db', uid: 'v' })

const drain = (store: Store, agents: Agents, request: Init<DrainNodeRequest>) =>
  drainNode(store, agents, DrainNodeRequest.create({ name: 'n1', ...request }), never)
const undrain = (store: Store, name = 'n1') => undrainNode(store, UndrainNodeRequest.create({ name }))

/** With endpoints in two networks, beside a node that has some, too; lists networks, as the agents look there. */
async function inhabited(): Promise<Store> {
  const [store] = stores.open()
  for (const network of [web, db])
    await store.commit({ compares: [], writes: [put(store.keys.network(network.name), network)] })
  for (const node of ['n1', 'n2']) {
    await registerNode(store, node)
    await startSession(store, node)
  }
  for (let n = 2; n < 22; n++) await claim(store, n % 2 ? web : db, 'n1', `10.0.0.${n}`, `c${n}`)
  await claim(store, web, 'n2', '10.0.1.2')
  return store
}

it('marks the node, then has its agent detach what it has, and nothing of others', async () => {
  const store = await inhabited()
  const agents = detachingAgents(store, 'n1', 'n2')
  let marked = 0
  const watching: Agents = {
    ...agents,
    ask: async (node, question) => {
      if (await store.get(store.keys.drain('n1'))) marked++
      return agents.ask(node, question)
    },
  }
  const { node, detachedEndpoints } = await drain(store, watching, { reason: 'new disk' })
  expect([detachedEndpoints, marked]).toEqual([20, 20])
  expect(node?.status).toMatchObject({
    state: 'READY',
    endpointCount: 0,
    drain: { node: 'n1', reason: 'new disk', since: expect.stringMatching(/^20/) },
  })
  expect((await listNodes(store)).map(({ status }) => [status?.endpointCount, status?.drain?.reason])).toEqual([
    [0, 'new disk'],
    [1, undefined],
  ])
})

it('may be repeated: since when stays, another reason replaces the old one', async () => {
  const store = await inhabited()
  const agents = detachingAgents(store, 'n1')
  const first = (await drain(store, agents, { reason: 'disk' })).node?.status?.drain
  const before = await everyKey(store)
  expect(await drain(store, agents, {})).toMatchObject({ detachedEndpoints: 0, node: { status: { drain: first } } })
  expect(await everyKey(store)).toEqual(before)
  const again = await drain(store, agents, { reason: 'power' })
  expect(again.node?.status?.drain).toEqual({ ...first, reason: 'power' })
  const without = await drain(store, agents, { reason: '' })
  expect(without.node?.status?.drain).toEqual({ ...first, reason: '' })
})

it('with keepEndpoints only marks it, also when its agent is gone', async () => {
  const store = await inhabited()
  const nobody = detachingAgents(store)
  const { node, detachedEndpoints } = await drain(store, nobody, { keepEndpoints: true })
  expect([detachedEndpoints, node?.status?.endpointCount, node?.status?.drain?.reason]).toEqual([0, 20, ''])
})

it('is refused, with nothing changed, when there is nobody to detach what is there', async () => {
  const store = await inhabited()
  const before = await everyKey(store)
  const nobody = detachingAgents(store)
  await expect(drain(store, nobody, {})).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /^there are 20 endpoints, which cannot be detached, on node n1, which is alive, but has no connection .*--keep-endpoints.* Nothing was changed$/,
    ),
  })
  await registerNode(store, 'n3')
  await claim(store, web, 'n3', '10.0.2.2')
  await expect(drain(store, nobody, { name: 'n3' })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(/1 endpoint, .*which is not alive: start its agent, or remove the node/),
  })
  await expect(drain(store, nobody, { name: 'a/b', reason: 'x'.repeat(501) })).rejects.toThrow(
    /^name: .*; reason: 501 characters; at most 500 are kept$/,
  )
  await expect(drain(store, nobody, { name: 'none' })).rejects.toThrow('there is no node none')
  expect((await everyKey(store)).filter((key) => !/n3|10\.0\.2\.2/.test(key))).toEqual(
    expect.arrayContaining([...before]),
  )
  expect(await store.count(store.keys.drains)).toBe(0)
  await registerNode(store, 'empty')
  expect((await drain(store, nobody, { name: 'empty' })).detachedEndpoints).toBe(0)
})

it('tells how far it came when the agent is lost, and comes to the end when said again', async () => {
  const store = await inhabited()
  const agents = detachingAgents(store, 'n1')
  let left = 7
  const failing: Agents = {
    ...agents,
    ask: async (node, question) => {
      if (left-- > 0) return agents.ask(node, question)
      throw new OverlayError('unavailable', 'the connection to the agent of node n1 was lost', { retryAfter: 1_700 })
    },
  }
  await expect(drain(store, failing, {})).rejects.toMatchObject({
    code: 'unavailable',
    retryAfter: 1_700,
    message: expect.stringMatching(
      /^node n1 takes no new endpoints any more, but 7 of 20 that it had are detached: endpoint .* was lost; say it again/,
    ),
  })
  expect((await drain(store, agents, {})).detachedEndpoints).toBe(13)
})

it('goes on past an endpoint that its agent does not know, or whose record cannot be read', async () => {
  const store = await inhabited()
  const unknown = await claim(store, web, 'n1', '10.0.0.99', 'lost')
  const agents = detachingAgents(store, 'n1')
  const forgetful: Agents = {
    ...agents,
    ask: async (node, question) => {
      if (question.detach?.endpointId === unknown.id) throw new OverlayError('not_found', 'there is no such endpoint')
      return agents.ask(node, question)
    },
  }
  await expect(drain(store, forgetful, {})).rejects.toThrow(
    new RegExp(`20 of 21 that it had are detached: endpoint ${unknown.id} \\(lost\\) is on node n1`),
  )
  const { path } = store.keys.endpoint('web', unknown.id)
  await store.commit({ compares: [], writes: [{ do: 'put', path, value: 'garbage', lease: undefined }] })
  await expect(drain(store, agents, {})).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining(path),
  })
})

it('undrain takes the mark away, and may be repeated', async () => {
  const store = await inhabited()
  await drain(store, detachingAgents(store, 'n1'), {})
  for (let n = 0; n < 2; n++) expect((await undrain(store)).status?.drain).toBeNull()
  await expect(undrain(store, 'none')).rejects.toThrow('there is no node none')
})

it('leaves no mark behind of a node that is removed, before or meanwhile', async () => {
  const store = await inhabited()
  const agents = detachingAgents(store, 'n1')
  const forget = () => removeNode(store, RemoveNodeRequest.create({ name: 'n1', force: true }))
  await drain(store, agents, {})
  await forget()
  expect(await store.count(store.keys.drains)).toBe(0)
  await registerNode(store, 'n1')
  const racing: Store = {
    ...store,
    commit: async (transaction) => {
      if (transaction.writes.some(({ do: what }) => what === 'put')) await forget()
      return store.commit(transaction)
    },
  }
  await expect(drain(racing, agents, {})).rejects.toThrow('node n1 was removed by somebody else meanwhile')
  expect(await store.count(store.keys.drains)).toBe(0)
})

it('does not say that it is done when others undid it meanwhile', async () => {
  const store = await inhabited()
  const agents = detachingAgents(store, 'n1')
  const meanwhile = (action: () => Promise<unknown>): Agents => ({
    ...agents,
    ask: async (node, question) => {
      await action()
      return agents.ask(node, question)
    },
  })
  const takenBack = meanwhile(() => undrain(store))
  await expect(drain(store, takenBack, {})).rejects.toThrow(
    'node n1 was taken back into use by somebody else meanwhile',
  )
  await claim(store, web, 'n1', '10.0.0.99')
  let times = 0
  const replaced = meanwhile(async () => {
    if (times++ > 0) return
    await removeNode(store, RemoveNodeRequest.create({ name: 'n1', force: true }))
    await registerNode(store, 'n1')
  })
  await expect(drain(store, replaced, {})).rejects.toThrow('node n1 was removed by somebody else meanwhile')
  expect(await store.count(store.keys.drains)).toBe(0)
})

it('tells who watches of a node that is drained, and that it is no longer', async () => {
  await using served = await serve(stores)
  await registerNode(served.store, 'n1')
  const nodes = served.client.service(NodesService)
  const ending = new AbortController()
  const told: Event[] = []
  const watched = (async () => {
    for await (const event of served.client.service(EventsService).watch({}, { signal: ending.signal }))
      if (event.node && event.message) told.push(event)
  })()
  await until('an event', async () => {
    await nodes.undrain({ name: 'n1' })
    await nodes.drain({ name: 'n1', reason: 'new disk' })
    return told.length > 1
  })
  const lines = told.map(({ action, node, message }) => `${action} ${node?.name} ${message}`)
  expect([...new Set(lines)].toSorted()).toEqual(['UPDATED n1 drained: new disk', 'UPDATED n1 no longer drained'])
  ending.abort()
  await watched
})
