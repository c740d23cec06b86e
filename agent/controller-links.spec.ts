import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials, ServerCredentials } from '@grpc/grpc-js'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { createRpcServer, type RpcServer } from '../lib/rpc-server.ts'
import { AgentLinkService, type AgentMessage, Controller, Question, Repairs } from '../proto/index.ts'
import { linkControllers } from './controller-links.ts'
import { followControllers } from './controllers.ts'
import { feeds, keys, snapshot } from './testing/feeds.ts'

const log = pino({ level: 'silent' })
let directory = ''
let server: RpcServer
let stop: AbortController

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-links-'))
  server = createRpcServer(log)
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await server.close(0)
  rmSync(directory, { recursive: true, force: true })
})

/** Links to a controller that does `connect` with each stream; its questions are never answered. */
async function linked(connect: (messages: AsyncIterable<AgentMessage>) => AsyncIterable<Question>) {
  server.add(AgentLinkService, { connect })
  const address = `unix:${join(directory, 'controller.sock')}`
  await server.listen(address, ServerCredentials.createInsecure())
  const { store, tell } = feeds()
  const signals: AbortSignal[] = []
  const listeners = new Set<(repairs: Repairs) => void>()
  const movers = new Set<() => void>()
  const refusals = new Map<string, string>()
  void linkControllers({
    controllers: followControllers(store, stop.signal, log),
    hello: { node: 'n1' },
    credentials: credentials.createInsecure(),
    onRepairs: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    onOtherAddress: (listener) => {
      movers.add(listener)
      return () => movers.delete(listener)
    },
    onRefused: (address, why) => (why ? refusals.set(address, why.message) : refusals.delete(address)),
    answer: (_, signal) => {
      signals.push(signal)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))))
    },
    signal: stop.signal,
    log,
  })
  const { path } = keys.controller('c1')
  const value = Controller.create({ id: 'c1', address })
  const tellOf = (update: Parameters<typeof tell>[1]) => tell(keys.controllers.prefix, update)
  await tellOf(snapshot([{ path, value, json: {}, createRevision: 1, modRevision: 1 }]))
  return { path, address, signals, tellOf, listeners, movers, refusals }
}

it('gives up what a broken stream has asked, and is back soon', async () => {
  const began: number[] = []
  const { signals } = await linked(async function* (messages) {
    began.push(performance.now())
    await messages[Symbol.asyncIterator]().next()
    yield Question.create({ id: 1, attach: {} })
    if (began.length < 6) throw new Error('broken')
    for await (const _ of messages) throw new Error('no answer was expected')
  })
  // Were the waits to grow from stream to stream, they would take 1.5 s at least.
  await vi.waitUntil(() => signals.length === 6, { timeout: 5_000, interval: 1 })
  expect((began[5] ?? Infinity) - (began[0] ?? 0)).toBeLessThan(1_500)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true, true, true, false])
  stop.abort()
  expect(signals[5]?.aborted).toBe(true)
})

it('gives up what nobody waits for any more, without an answer, and has its place for others', async () => {
  const answers: AgentMessage[] = []
  const { signals } = await linked(async function* (messages) {
    const questions = Array.from({ length: 1_000 }, (_, n) => n + 1)
    for (const id of questions) yield Question.create({ id, applied: { network: 'web', revision: 9_999 } })
    for (const id of questions.slice(1)) yield Question.create({ id, givenUp: {} })
    yield Question.create({ id: 1_001, attach: {} })
    // Of one that is not under way.
    yield Question.create({ id: 2, givenUp: {} })
    for await (const message of messages) if (!message.hello) answers.push(message)
  })
  await vi.waitUntil(() => signals.length === 1_001, { timeout: 5_000, interval: 1 })
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, ...Array(999).fill(true), false])
  expect(answers).toEqual([])
})

it('keeps the link to a controller whose record cannot be read', async () => {
  const { path, signals, tellOf } = await linked(async function* (messages) {
    yield Question.create({ id: 1, attach: {} })
    for await (const _ of messages) continue
  })
  await vi.waitUntil(() => signals.length === 1, { timeout: 5_000, interval: 1 })
  await tellOf(snapshot([], false, [path]))
  expect(signals[0]?.aborted).toBe(false)
  await tellOf(snapshot([]))
  await vi.waitUntil(() => signals[0]?.aborted, { timeout: 5_000, interval: 1 })
})

it('tells each controller what was mended while it is connected', async () => {
  const told: Repairs[] = []
  let streams = 0
  const { listeners } = await linked(async function* (messages) {
    streams++
    for await (const { repairs } of messages) {
      if (repairs) told.push(repairs)
      if (repairs?.more === 1) return
    }
    yield* []
  })
  const tell = (more: number) => {
    for (const listener of listeners) listener(Repairs.create({ deviations: [{ object: 'link ovbr7' }], more }))
  }
  await vi.waitUntil(() => listeners.size === 1, { timeout: 5_000, interval: 1 })
  tell(1)
  await vi.waitUntil(() => streams === 2 && listeners.size === 1, { timeout: 5_000, interval: 1 })
  tell(2)
  await vi.waitUntil(() => told.length === 2, { timeout: 5_000, interval: 1 })
  expect(told).toMatchObject([{ deviations: [{ object: 'link ovbr7' }], more: 1 }, { more: 2 }])
  stop.abort()
  await vi.waitUntil(() => listeners.size === 0, { timeout: 5_000, interval: 1 })
})

it('dials anew, over a new connection, when this host has another address', async () => {
  const { movers, signals } = await linked(async function* (messages) {
    yield Question.create({ id: 1, attach: {} })
    for await (const _ of messages) continue
  })
  await vi.waitUntil(() => signals.length === 1, { timeout: 5_000, interval: 1 })
  for (const move of movers) move()
  expect(signals[0]?.aborted).toBe(true)
  await vi.waitUntil(() => signals.length === 2, { timeout: 5_000, interval: 1 })
  expect(signals[1]?.aborted).toBe(false)
  stop.abort()
  expect(movers.size).toBe(0)
})

it('tells who refuses this host, and asks him again only after seconds, until he takes it', async () => {
  let attempts = 0
  const { address, refusals, tellOf, path } = await linked(async function* () {
    attempts++
    yield* []
    throw new OverlayError('unauthenticated', 'node n1 was removed: join again')
  })
  await vi.waitUntil(() => refusals.get(address) === 'node n1 was removed: join again', { timeout: 5_000, interval: 1 })
  expect(attempts).toBe(1)
  // Who is gone refuses nobody.
  await tellOf({ kind: 'changes', changes: [{ kind: 'delete', path, modRevision: 9 }], revision: 9 })
  expect([...refusals]).toEqual([])
})
