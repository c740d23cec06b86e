import { setTimeout as sleep } from 'node:timers/promises'
import { Client, credentials as grpcCredentials, Metadata, ServerCredentials, status } from '@grpc/grpc-js'
import { pino } from 'pino'
import { afterEach, expect, it, vi } from 'vitest'
import { Event, EventsService, NetworksService } from '../proto/index.ts'
import { OverlayError } from './errors.ts'
import type { Access, Admission } from './rpc-access.ts'
import { createRpcClient } from './rpc-client.ts'
import { type CallContext, createRpcServer, type Handlers } from './rpc-server.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const bob = { role: 'viewer', name: 'bob', id: undefined } as const
const mostCalls = { unary: 99, 'server-stream': 99, duplex: 99 }
const never = () => {
  throw new Error('no call gets here')
}
const unused = { create: never, get: never, update: never, remove: never, waitApplied: never }

interface Behaviour {
  readonly list?: (context: CallContext) => Promise<object>
  readonly watch?: (context: CallContext) => AsyncIterable<Event>
}

/** Serves two methods in clear: who calls is for `admit` to say. */
async function serve(
  admit: Access['admit'],
  { list = never, watch = never }: Behaviour = {},
  { told, patience }: Pick<Access, 'told'> & { readonly patience?: number } = {},
) {
  const log = pino({ level: 'silent' })
  const server = createRpcServer(log, { name: 'the test', mostCalls, access: { admit, told }, patience })
  const networks: Handlers<typeof NetworksService> = { ...unused, list: (_, context) => list(context) as never }
  server.add(NetworksService, networks)
  server.add(EventsService, { watch: (_, context) => watch(context) })
  const port = await server.listen('127.0.0.1:0', ServerCredentials.createInsecure())
  const address = `127.0.0.1:${port}`
  const client = createRpcClient({ address, credentials: grpcCredentials.createInsecure(), timeout: 5_000 })
  cleanups.push(
    () => server.close(0),
    () => client.close(),
  )
  return { address, networks: client.service(NetworksService), events: client.service(EventsService) }
}

it('tells the handler who calls', async () => {
  const callers: unknown[] = []
  const admit = vi.fn(async () => ({ caller: bob }))
  const { networks, events } = await serve(admit, {
    list: async ({ caller }) => {
      callers.push(caller)
      return {}
    },
    watch: async function* ({ caller }) {
      callers.push(caller)
      yield* []
    },
  })
  await networks.list({})
  for await (const _ of events.watch({})) never()
  expect(callers).toEqual([bob, bob])
  expect(admit.mock.calls).toEqual([
    [NetworksService.methods.list.path, undefined],
    [EventsService.methods.watch.path, undefined],
  ])
})

it.each([
  ['permission_denied', new OverlayError('permission_denied', 'no, ö')],
  ['unauthenticated', new OverlayError('unauthenticated', 'who?')],
  ['internal', new TypeError('x is not a function')],
])('no handler sees a call that is refused (%s)', async (code, refusal) => {
  const { networks, events } = await serve(async () => {
    throw refusal
  })
  const { message } = refusal
  await expect(networks.list({})).rejects.toMatchObject({ code, message })
  await expect(events.watch({})[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code, message })
})

it.each([
  '/grpc.health.v1.Health/Check',
  '/grpc.health.v1.Health/Watch',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
])('%s is refused as any other', async (path) => {
  const { address } = await serve(async () => {
    throw new OverlayError('unauthenticated', 'who?')
  })
  const client = new Client(address, grpcCredentials.createInsecure())
  cleanups.push(() => client.close())
  const asIs = (bytes: Buffer) => bytes
  const call = client.makeBidiStreamRequest(path, asIs, asIs, new Metadata())
  call.end(Buffer.alloc(0))
  await expect(call.toArray()).rejects.toMatchObject({ code: status.UNAUTHENTICATED, details: 'who?' })
})

it('looks at the request before the handler does, and at none that cannot be read', async () => {
  const check = vi.fn((request: unknown) => {
    if ((request as { pageSize: number }).pageSize > 1) throw new OverlayError('permission_denied', 'too many')
  })
  const { networks, address } = await serve(async () => ({ caller: bob, check }), { list: async () => ({}) })
  await networks.list({ pageSize: 1 })
  await expect(networks.list({ pageSize: 2 })).rejects.toMatchObject({ code: 'permission_denied' })
  expect(check).toHaveBeenCalledTimes(2)
  const client = new Client(address, grpcCredentials.createInsecure())
  cleanups.push(() => client.close())
  const junk = () => Buffer.from([0xff])
  const asIs = (bytes: Buffer) => bytes
  const failed = new Promise<unknown>((resolve) =>
    client.makeUnaryRequest(NetworksService.methods.list.path, junk, asIs, {}, resolve),
  )
  expect(await failed).toMatchObject({ code: status.INVALID_ARGUMENT })
  expect(check).toHaveBeenCalledTimes(2)
})

it('once a caller is revoked its streams end, also in the handler, and a call that has begun has its answer', async () => {
  const revocation = new AbortController()
  let ended = false
  let begun = () => {}
  const listing = new Promise<void>((resolve) => {
    begun = resolve
  })
  const { networks, events } = await serve(async () => ({ caller: bob, revoked: revocation.signal }), {
    list: async ({ signal }) => {
      begun()
      await new Promise((resolve) => revocation.signal.addEventListener('abort', resolve))
      await sleep(1)
      return { nextPageToken: String(signal.aborted) }
    },
    watch: async function* ({ signal }) {
      yield Event.create({ message: 'welcome' })
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      ended = true
    },
  })
  const watched = events.watch({})[Symbol.asyncIterator]()
  await watched.next()
  const list = networks.list({})
  await listing
  revocation.abort(new OverlayError('unauthenticated', 'bob was revoked'))
  await expect(watched.next()).rejects.toMatchObject({ code: 'unauthenticated', message: 'bob was revoked' })
  await vi.waitUntil(() => ended, { interval: 1 })
  expect(await list).toMatchObject({ nextPageToken: 'false' })
  await expect(events.watch({})[Symbol.asyncIterator]().next()).rejects.toMatchObject({ message: 'bob was revoked' })
})

it('of a call whose caller has gone before it was let in, no handler learns', async () => {
  let admit: (admission: Admission) => void = () => {}
  let asked = () => {}
  const asking = new Promise<void>((resolve) => {
    asked = resolve
  })
  const { events, networks } = await serve(
    (method) =>
      method === NetworksService.methods.list.path
        ? Promise.resolve({ caller: bob })
        : new Promise((resolve) => {
            admit = resolve
            asked()
          }),
    { list: async () => ({}) },
  )
  const gone = new AbortController()
  const watched = events.watch({}, { signal: gone.signal })[Symbol.asyncIterator]()
  const next = watched.next()
  await asking
  gone.abort()
  expect(await next).toMatchObject({ done: true })
  // What comes after it on the same connection: the server knows by then.
  await networks.list({})
  admit({ caller: bob })
  await networks.list({})
})

it('a client that was not known connects anew for its next call, and its streams go on', async () => {
  const peers = new Set<string>()
  let known = true
  let tell = () => {}
  const told = new Promise<void>((resolve) => {
    tell = resolve
  })
  const { networks, events } = await serve(
    async () => {
      if (known) return { caller: bob }
      throw new OverlayError('unauthenticated', 'who?')
    },
    {
      list: async ({ peer }) => {
        peers.add(peer)
        return {}
      },
      watch: async function* () {
        yield Event.create({ message: 'welcome' })
        await told
        yield Event.create({ message: 'news' })
      },
    },
  )
  const watched = events.watch({})[Symbol.asyncIterator]()
  await watched.next()
  await networks.list({})
  await networks.list({})
  expect(peers.size).toBe(1)
  known = false
  await expect(networks.list({})).rejects.toMatchObject({ code: 'unauthenticated' })
  known = true
  await networks.list({})
  expect(peers.size).toBe(2)
  tell()
  expect((await watched.next()).value).toMatchObject({ message: 'news' })
})

/** A call of which no request ever comes. */
function callWithout(address: string) {
  const client = new Client(address, grpcCredentials.createInsecure())
  cleanups.push(() => client.close())
  const asIs = (bytes: Buffer) => bytes
  const call = client.makeBidiStreamRequest(NetworksService.methods.list.path, asIs, asIs, new Metadata())
  return call.toArray().then(
    () => undefined,
    (error: unknown) => error,
  )
}

it('who calls and sends no request is not waited for', async () => {
  const { address, networks } = await serve(async () => ({ caller: bob }), { list: async () => ({}) }, { patience: 20 })
  expect(await callWithout(address)).toMatchObject({ code: status.DEADLINE_EXCEEDED })
  // One whose request is there may take its time.
  await networks.list({})
})

it('of those without a certificate only so many may call at a time; the others are let in all the same', async () => {
  let strangers = 0
  const { address, networks } = await serve(
    async () => (strangers++ < 101 ? { caller: undefined } : { caller: bob }),
    { list: async () => ({}) },
    { patience: 2_000 },
  )
  const calls = Array.from({ length: 101 }, () => callWithout(address))
  expect(await Promise.race(calls), 'the first to be refused').toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining('has 100 calls without a certificate in progress'),
  })
  await networks.list({})
  const codes = (await Promise.all(calls)).map((error) => (error as { code: status }).code)
  expect(codes.filter((code) => code !== status.DEADLINE_EXCEEDED)).toEqual([status.UNAVAILABLE])
  // They have left room.
  strangers = 0
  await networks.list({})
})

it('tells those who were let in what it has to tell with each answer', async () => {
  let authorities = 'one'
  const { address } = await serve(
    async () => ({ caller: bob }),
    {
      list: async () => ({}),
      watch: async function* () {
        yield Event.create({ message: 'welcome' })
      },
    },
    { told: (caller) => ({ 'overlay-authorities': `${authorities} ${caller?.name}` }) },
  )
  const client = new Client(address, grpcCredentials.createInsecure())
  cleanups.push(() => client.close())
  const asIs = (bytes: Buffer) => bytes
  for (const { path } of [NetworksService.methods.list, EventsService.methods.watch])
    for (authorities of ['one', 'two']) {
      const call = client.makeBidiStreamRequest(path, asIs, asIs, new Metadata())
      const metadata = new Promise<Metadata>((resolve) => call.on('metadata', resolve))
      call.end(Buffer.alloc(0))
      await call.toArray()
      expect((await metadata).get('overlay-authorities')).toEqual([`${authorities} bob`])
    }
})
