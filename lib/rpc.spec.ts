import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials, ServerCredentials } from '@grpc/grpc-js'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  AgentLinkService,
  type AgentMessage,
  AgentService,
  type AttachRequest,
  Event,
  EventsService,
  type Question,
} from '../proto/index.ts'
import { OverlayError } from './errors.ts'
import { createRpcClient, type RpcClient } from './rpc-client.ts'
import { type CallContext, createRpcServer, type RpcServer } from './rpc-server.ts'

/** What the test's server does; set by each test. */
interface Behaviour {
  attach: (request: AttachRequest, context: CallContext) => Promise<object>
  watch: (context: CallContext) => AsyncIterable<Event>
  connect: (requests: AsyncIterable<AgentMessage>, context: CallContext) => AsyncIterable<Question>
}

let directory = ''
let server: RpcServer
let client: RpcClient
let behave: Partial<Behaviour> = {}

/** Resolves with true when the signal aborts. */
const abortOf = (signal: AbortSignal) =>
  new Promise<boolean>((resolve) => signal.addEventListener('abort', () => resolve(true)))

const unexpected = () => {
  throw new Error('not expected in this test')
}

beforeEach(() => {
  behave = {}
})

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-rpc-'))
  server = createRpcServer(pino({ level: 'silent' }))
  server.add(AgentService, {
    attach: (request, context) => (behave.attach ?? unexpected)(request, context) as never,
    detach: unexpected,
    list: unexpected,
    getStatus: unexpected,
    verify: unexpected,
    resync: unexpected,
  })
  server.add(EventsService, { watch: (_, context) => (behave.watch ?? unexpected)(context) })
  server.add(AgentLinkService, { connect: (requests, context) => (behave.connect ?? unexpected)(requests, context) })
  const address = `unix:${join(directory, 'test.sock')}`
  await server.listen(address, ServerCredentials.createInsecure())
  client = createRpcClient({ address, credentials: credentials.createInsecure(), timeout: 5_000 })
})

afterAll(async () => {
  client.close()
  await server.close(0)
  rmSync(directory, { recursive: true, force: true })
})

describe('unary calls', () => {
  it('carry the request there and the answer back, with all their fields', async () => {
    const seen = vi.fn()
    behave.attach = async (request, { deadline }) => {
      seen(request, deadline > Date.now())
      return { alreadyAttached: true }
    }
    const answer = await client.service(AgentService).attach({ network: 'web', pid: 7 })
    expect(answer).toEqual({ alreadyAttached: true, endpoint: null })
    const unset = { node: '', ifname: '', name: '', addresses: [], labels: {}, mac: '', gwPriority: 0 }
    const request = { network: 'web', pid: 7, ...unset }
    expect(seen).toHaveBeenCalledWith(request, true)
  })

  it.each([
    [new OverlayError('exhausted', 'no address left'), 'exhausted', 'no address left'],
    [new OverlayError('invalid', 'ö: "x"\nand more'), 'invalid', 'ö: "x"\nand more'],
    [new TypeError('x is not a function'), 'internal', 'x is not a function'],
    [new OverlayError('invalid', 'half a \ud83d'), 'invalid', 'half a \ufffd'],
    [new OverlayError('invalid', 'x'.repeat(3_000_000)), 'invalid', expect.stringMatching(/^x{9000,}… \(and more\)$/)],
  ])('reject with what the handler threw: %#', async (thrown, code, message) => {
    behave.attach = async () => Promise.reject(thrown)
    await expect(client.service(AgentService).attach({})).rejects.toMatchObject({ code, message })
  })

  it('reject also when the handler throws before its first await', async () => {
    await expect(client.service(AgentService).detach({})).rejects.toMatchObject({
      code: 'internal',
      message: 'not expected in this test',
    })
  })

  it('end at their deadline, and the handler learns of it', async () => {
    let aborted: Promise<boolean> | undefined
    behave.attach = async (_, { signal }) => {
      aborted = abortOf(signal)
      await aborted
      return {}
    }
    const failed = client.service(AgentService).attach({}, { timeout: 50 })
    await expect(failed).rejects.toMatchObject({ code: 'deadline' })
    expect(await aborted).toBe(true)
  })

  it('end when the caller gives up, and the handler learns of it', async () => {
    const controller = new AbortController()
    let aborted: Promise<boolean> | undefined
    behave.attach = async (_, { signal }) => {
      aborted = abortOf(signal)
      controller.abort()
      await aborted
      return {}
    }
    const failed = client.service(AgentService).attach({}, { signal: controller.signal })
    await expect(failed).rejects.toMatchObject({ code: 'deadline', message: 'the call was given up' })
    expect(await aborted).toBe(true)
    const late = client.service(AgentService).attach({}, { signal: controller.signal })
    await expect(late).rejects.toMatchObject({ code: 'deadline', message: 'the call was given up' })
  })

  it('tell the handler that they are over, also after its answer', async () => {
    let given: AbortSignal | undefined
    behave.attach = async (_, { signal }) => {
      given = signal
      return {}
    }
    await client.service(AgentService).attach({})
    await vi.waitUntil(() => given?.aborted, { interval: 1 })
  })

  it('say which address was tried when nobody serves there', async () => {
    const address = `unix:${join(directory, 'none.sock')}`
    const lonely = createRpcClient({ address, credentials: credentials.createInsecure(), timeout: 5_000 })
    await expect(lonely.service(AgentService).list({})).rejects.toMatchObject({ code: 'unavailable' })
    expect(lonely.address).toBe(address)
    lonely.close()
  })
})

describe('server streams', () => {
  const events = (count: number) => Array.from({ length: count }, (_, n) => Event.create({ time: String(n) }))

  it('give everything in order, however slowly it is read', async () => {
    behave.watch = async function* () {
      yield* events(2_000)
    }
    const times: string[] = []
    for await (const { time } of client.service(EventsService).watch({})) {
      times.push(time)
      if (times.length % 500 === 0) await new Promise(setImmediate)
    }
    expect(times).toEqual(events(2_000).map(({ time }) => time))
  })

  it('throw what the handler threw, after what came before', async () => {
    behave.watch = async function* () {
      yield* events(1)
      throw new OverlayError('failed_precondition', 'too slow')
    }
    const times: string[] = []
    const reading = (async () => {
      for await (const { time } of client.service(EventsService).watch({})) times.push(time)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'failed_precondition', message: 'too slow' })
    expect(times).toEqual(['0'])
  })

  it('throw also when they failed before anybody read', async () => {
    behave.watch = async function* () {
      yield* events(0)
      throw new OverlayError('failed_precondition', 'too early')
    }
    behave.attach = async () => ({})
    const stream = client.service(EventsService).watch({})
    // What comes back after the failure on the same connection: by then it has arrived.
    await client.service(AgentService).attach({})
    await client.service(AgentService).attach({})
    const reading = (async () => {
      for await (const _ of stream) unexpected()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'failed_precondition', message: 'too early' })
  })

  it.each([undefined, new OverlayError('invalid', 'no')])('leave nothing behind that waits (%s)', async (thrown) => {
    let signal: AbortSignal | undefined
    behave.watch = async function* (context) {
      signal = context.signal
      yield* events(1)
      if (thrown) throw thrown
    }
    const times: string[] = []
    const reading = async () => {
      for await (const { time } of client.service(EventsService).watch({})) times.push(time)
    }
    await reading().catch(() => undefined)
    expect(times).toEqual(['0'])
    await vi.waitUntil(() => signal?.aborted, { interval: 1 })
  })

  it.each(['aborts', 'leaves'])('end quietly when the reader %s, and the handler learns of it', async (how) => {
    const controller = new AbortController()
    let aborted: Promise<boolean> | undefined
    behave.watch = async function* ({ signal }) {
      aborted = abortOf(signal)
      yield* events(1)
      await aborted
    }
    for await (const _ of client.service(EventsService).watch({}, { signal: controller.signal })) {
      if (how === 'leaves') break
      controller.abort()
    }
    expect(await aborted).toBe(true)
  })
})

describe('duplex streams', () => {
  it('carry messages both ways', async () => {
    behave.connect = async function* (requests) {
      for await (const { hello, answer } of requests) yield { id: hello ? 1 : (answer?.id ?? 0) + 1 }
    }
    const link = client.service(AgentLinkService).connect()
    link.send({ hello: { node: 'a' } })
    const ids: number[] = []
    for await (const { id } of link) {
      ids.push(id)
      if (id < 3) link.send({ answer: { id } })
      else link.end()
    }
    expect(ids).toEqual([1, 2, 3])
  })

  it('end when the server closes, which it does for good', async () => {
    behave.connect = async function* (_, { signal }) {
      yield { id: 1 }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    }
    const link = client.service(AgentLinkService).connect()
    for await (const _ of link) void server.close(2_000)
  })
})

describe('close', () => {
  it('leaves no timer of its grace', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const short = createRpcServer(pino({ level: 'silent' }))
    await short.listen(`unix:${join(directory, 'short.sock')}`, ServerCredentials.createInsecure())
    const before = timers()
    await short.close(600_000)
    expect(timers()).toBe(before)
  })
})
