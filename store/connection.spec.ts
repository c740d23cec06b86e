import { getEventListeners, setMaxListeners } from 'node:events'
import {
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { Connection, defaultKeepalive } from './connection.ts'
import { leaseKeepAlive } from './etcd-api.ts'

type Stream = ClientDuplexStream<{ readonly ID: string }, unknown>

const same = (bytes: Buffer) => bytes
const raw = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
const method = { path: leaseKeepAlive.path, requestStream: true, responseStream: true, ...raw }
let server: Server
let connection: Connection
let refuses = false

beforeAll(async () => {
  server = new Server()
  const keepAlive = (call: ServerDuplexStream<Buffer, Buffer>) => {
    // An empty message is an answer with nothing set.
    call.on('data', () => (refuses ? call.emit('error', { code: status.INTERNAL }) : call.write(Buffer.alloc(0))))
    call.on('end', () => call.end())
  }
  server.addService({ keepAlive: method }, { keepAlive })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  connection = new Connection(`127.0.0.1:${port}`, credentials.createInsecure(), defaultKeepalive)
})
afterAll(() => {
  connection.close()
  server.forceShutdown()
})
beforeEach(() => {
  refuses = false
})

const answer = (stream: Stream) => new Promise((resolve) => stream.once('data', resolve))

it.each<[string, (stream: Stream) => Promise<unknown>]>([
  [
    'that is cancelled after its answer',
    async (stream) => {
      await answer(stream)
      stream.cancel()
    },
  ],
  [
    'that is cancelled between two reads',
    async (stream) => {
      await stream[Symbol.asyncIterator]().next()
      stream.cancel()
    },
  ],
  [
    'that the server ends',
    async (stream) => {
      await answer(stream)
      stream.end()
    },
  ],
  [
    'that the server refuses',
    async (stream) => {
      refuses = true
      stream.resume()
    },
  ],
])('forgets a stream %s', async (_, use) => {
  const { signal } = new AbortController()
  setMaxListeners(0, signal)
  const streams: Stream[] = []
  for (let n = 0; n < 20; n++) {
    const stream = await connection.open(leaseKeepAlive, { connectBy: Date.now() + 5_000, signal })
    streams.push(stream)
    const used = use(stream)
    stream.write({ ID: '1' })
    await used
  }
  await vi.waitUntil(() => getEventListeners(signal, 'abort').length === 0, { interval: 1, timeout: 5_000 })
  const cancelled = streams.map((stream) => vi.spyOn(stream, 'cancel'))
  connection.reconnect()
  for (const cancel of cancelled) expect(cancel).not.toHaveBeenCalled()
})

it('ends the streams that are open when it connects anew', async () => {
  const stream = await connection.open(leaseKeepAlive, { connectBy: Date.now() + 5_000 })
  const answered = answer(stream)
  stream.write({ ID: '1' })
  await answered
  const ended = new Promise((resolve) => stream.once('status', resolve))
  connection.reconnect()
  expect(await ended).toMatchObject({ details: 'Cancelled on client' })
})
