import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, Metadata, ServerCredentials, type ServiceError } from '@grpc/grpc-js'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AgentLinkService, AgentService, EventsService } from '../proto/index.ts'
import { createRpcClient, type RpcClient } from './rpc-client.ts'
import { createRpcServer, type RpcServer } from './rpc-server.ts'

const most = { unary: 5, 'server-stream': 3, duplex: 2 }

let directory = ''
let address = ''
let server: RpcServer
let client: RpcClient
let waiting: (() => void)[] = []
let errors: unknown[] = []

/** Until the test lets it go on. */
const held = () => new Promise<void>((resolve) => waiting.push(resolve))
const letGo = () => {
  for (const go of waiting.splice(0)) go()
}
const unexpected = () => {
  throw new Error('not expected in this test')
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-rpc-'))
  address = `unix:${join(directory, 'test.sock')}`
  const log = pino({ level: 'error' }, { write: (line) => errors.push(JSON.parse(line)) })
  server = createRpcServer(log, { name: 'this agent', mostCalls: most })
  server.add(AgentService, {
    attach: async () => {
      await held()
      return { alreadyAttached: true, endpoint: null }
    },
    detach: unexpected,
    list: unexpected,
    getStatus: unexpected,
    verify: unexpected,
    resync: unexpected,
  })
  server.add(EventsService, {
    async *watch() {
      yield* []
      await held()
    },
  })
  server.add(AgentLinkService, {
    async *connect(messages) {
      yield* []
      for await (const _ of messages) await held()
    },
  })
  await server.listen(address, ServerCredentials.createInsecure())
  client = createRpcClient({ address, credentials: credentials.createInsecure(), timeout: 10_000 })
})

beforeEach(() => {
  waiting = []
  errors = []
})

afterAll(async () => {
  client.close()
  await server.close(0)
  rmSync(directory, { recursive: true, force: true })
})

const begun = (count: number) => vi.waitUntil(() => waiting.length === count, { interval: 1 })
const calls = (count: number) =>
  Array.from({ length: count }, () =>
    client
      .service(AgentService)
      .attach({})
      .catch((error: unknown) => error),
  )
const read = async (stream: AsyncIterable<unknown>) => {
  for await (const _ of stream) unexpected()
}

describe('what is too much', () => {
  it('is refused at once, with when to try again; what was begun before is done', async () => {
    const all = calls(12)
    const refused = await Promise.all(all.slice(most.unary))
    for (const error of refused) {
      expect(error).toMatchObject({ code: 'unavailable', retryAfter: expect.any(Number) })
      expect(String(error)).toMatch(
        /this agent has 5 calls in progress and takes no more for now: try again in \d\.\d s/,
      )
    }
    expect(waiting).toHaveLength(most.unary)
    letGo()
    for (const answer of await Promise.all(all.slice(0, most.unary)))
      expect(answer).toMatchObject({ alreadyAttached: true })
    const [next] = calls(1)
    await begun(1)
    letGo()
    expect(await next).toMatchObject({ alreadyAttached: true })
    expect(errors).toEqual([])
  })

  it('is also what those left behind who gave up', async () => {
    const gone = Array.from({ length: most.unary }, () => client.service(AgentService).attach({}, { timeout: 50 }))
    for (const each of gone) await expect(each).rejects.toMatchObject({ code: 'deadline' })
    const [refused] = await Promise.all(calls(1))
    expect(refused).toMatchObject({ code: 'unavailable' })
    letGo()
    const [taken] = calls(1)
    await begun(1)
    letGo()
    expect(await taken).toMatchObject({ alreadyAttached: true })
  })

  it('is counted apart: calls, streams, and the streams of agents', async () => {
    const unary = calls(most.unary)
    const streams = Array.from({ length: most['server-stream'] }, () => read(client.service(EventsService).watch({})))
    const links = Array.from({ length: most.duplex }, () => client.service(AgentLinkService).connect())
    for (const link of links) link.send({ hello: { node: 'a' } })
    await begun(most.unary + most['server-stream'] + most.duplex)
    await expect(read(client.service(EventsService).watch({}))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('3 streams in progress'),
      retryAfter: expect.any(Number),
    })
    await expect(read(client.service(AgentLinkService).connect())).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('2 streams of agents in progress'),
      retryAfter: expect.any(Number),
    })
    for (const link of links) link.end()
    letGo()
    await Promise.all([...unary, ...streams, ...links.map(read)])
    const again = read(client.service(EventsService).watch({}))
    await begun(1)
    letGo()
    await again
  })
})

describe('bytes that are no request', () => {
  const raw = (path: string, stream: boolean) =>
    new Promise<ServiceError>((resolve, reject) => {
      const broken = new Client(address, credentials.createInsecure())
      const done = (error: ServiceError | null) => {
        broken.close()
        if (error) resolve(error)
        else reject(new Error('it was answered'))
      }
      const same = (bytes: Buffer) => bytes
      // Field 1 with a length that goes beyond the end.
      const bytes = Buffer.from([0x0a, 0x7f, 0x00])
      if (!stream) {
        broken.makeUnaryRequest(path, same, same, bytes, new Metadata(), (error) => done(error))
        return
      }
      const call = broken.makeBidiStreamRequest(path, same, same)
      call
        .on('error', done)
        .on('end', () => done(null))
        .resume()
      call.end(bytes)
    })

  it.each([
    ['/overlay.v1.Agent/Attach', false, 'AttachRequest'],
    ['/overlay.v1.AgentLink/Connect', true, 'AgentMessage'],
  ])('to %s are refused as such, and not as a fault of ours', async (path, stream, type) => {
    const { code, details } = await raw(path, stream)
    expect({ code, details }).toEqual({ code: 3, details: expect.stringContaining(`this is no overlay.v1.${type}: `) })
    expect(errors).toEqual([])
  })
})
