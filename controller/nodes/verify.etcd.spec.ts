import { afterAll, beforeAll, expect, it } from 'vitest'
import { AgentLinkService, Event, EventsService, NodesService } from '../../proto/index.ts'
import { registerNode, startSession, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { agent, serve } from '../served-for-tests.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const deviation = { kind: 'MISSING', object: 'link ovbr7', network: 'web', wanted: ['mtu 1450'], times: 1 } as const

it('asks the agent of the node, by its name or the beginning of its uid', async () => {
  await using served = await serve(stores)
  const nodes = served.client.service(NodesService)
  await registerNode(served.store, 'n1')
  const { uid } = await nodes.get({ name: 'n1' })
  const { asked } = agent(served.client, 'n1', () => ({
    verification: { node: 'n1', revision: 7, held: '', deviations: [deviation], objects: 3, more: 0 },
  }))
  const verified = (name: string) => nodes.verify({ name }).catch(() => undefined)
  await until('the agent', async () => (await verified('n1')) !== undefined)
  expect(await verified(uid.slice(0, 12))).toMatchObject({ node: 'n1', objects: 3, deviations: [deviation] })
  expect(asked.at(-1)?.verify).toEqual({})
})

it('says why a node cannot be asked', async () => {
  await using served = await serve(stores)
  const nodes = served.client.service(NodesService)
  await expect(nodes.verify({ name: 'n1' })).rejects.toMatchObject({ code: 'not_found' })
  await registerNode(served.store, 'n1')
  await expect(nodes.verify({ name: 'n1' })).rejects.toMatchObject({
    code: 'unavailable',
    message: 'the agent of node n1 cannot be asked: it is not alive: start it',
  })
  await startSession(served.store, 'n1')
  await expect(nodes.verify({ name: 'n1' })).rejects.toThrow('no connection to this controller')
  agent(served.client, 'n1', () => ({ problem: { code: 'unavailable', message: 'the agent is not in sync yet' } }))
  await until('the agent', () =>
    nodes.verify({ name: 'n1' }).then(
      () => false,
      ({ message }: Error) => message === 'node n1: the agent is not in sync yet',
    ),
  )
})

it('tells those who watch what agents have mended', async () => {
  await using served = await serve(stores)
  await registerNode(served.store, 'n1', '192.0.2.7')
  const watching = new AbortController()
  const events: Event[] = []
  const watched = (async () => {
    const stream = served.client.service(EventsService).watch({}, { signal: watching.signal })
    for await (const event of stream) if (event.action === 'REPAIRED') events.push(event)
  })().catch(() => undefined)
  const stream = served.client.service(AgentLinkService).connect()
  stream.send({ hello: { node: 'n1', uid: 'u', version: '1' } })
  await until('an event', () => {
    stream.send({ repairs: { deviations: [deviation], more: 2 } })
    return events.length > 1
  })
  expect(events.slice(0, 2)).toEqual([
    expect.objectContaining({
      action: 'REPAIRED',
      node: expect.objectContaining({ name: 'n1', vtepAddress: '192.0.2.7' }),
      message: 'n1: link ovbr7 was missing: put back',
      deviation: expect.objectContaining(deviation),
    }),
    expect.objectContaining({ message: 'n1: 2 more objects were mended' }),
  ])
  stream.end()
  watching.abort()
  await watched
})
