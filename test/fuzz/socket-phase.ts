/** Anything but requests, on every socket: afterwards the daemon serves, and holds nothing that it did not hold before. */
import { connect as connectHttp2, type Http2Stream } from 'node:http2'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { mapParallel } from '../../lib/parallel.ts'
import { AgentService, NetworksService } from '../../proto/index.ts'
import { descriptors } from '../bench/process-cost.ts'
import { until } from '../lab/until.ts'
import { type Cluster, loggedLines } from './cluster.ts'
import { figure, problem } from './report.ts'

export interface SocketPhaseOptions {
  readonly seed: number
  /** To each socket. */
  readonly connections: number
}

const atOnce = 20
/** Connections that are opened together, and say nothing. */
const silent = 300
/** Milliseconds for which what was written is left to be read. */
const patience = 40
/** Milliseconds after which a request that is never complete is given up. */
const unanswered = 200
/** Bytes of a request that comes compressed. */
const largeWhenOpened = 50_000_000
/** Silent connections are found by HTTP/2's pings, after 15 s. */
const cleanedUp = 40_000
/** Descriptors that a daemon may have more than before, as it opens and closes them all the time. */
const few = 5

export async function fuzzSockets(cluster: Cluster, { seed, connections }: SocketPhaseOptions): Promise<void> {
  const { facts } = cluster
  const [host = '', port = ''] = facts.controller.split(':')
  const doors = [
    { name: 'controller', where: { host, port: Number(port) }, path: '/overlay.v1.Networks/List' },
    ...facts.agents.map(({ node, socket }) => ({
      name: `agent on ${node}`,
      where: { path: socket },
      path: '/overlay.v1.Agent/List',
    })),
  ]
  const lines = loggedLines(facts.daemons)
  const bytes = fc.sample(anything, { seed, numRuns: connections })
  const bomb = gzipSync(Buffer.alloc(largeWhenOpened))
  await mapParallel(doors, doors.length, async ({ name, where, path }) => {
    const pid = facts.daemons.find((daemon) => daemon.name === name)?.pid ?? 0
    const before = descriptors(pid)
    await mapParallel(bytes, atOnce, (parts) => pour(where, parts))
    await requestsThatAreNone(where, path, bomb)
    await crowd(where)
    await serves(cluster, name)
    const now = () => descriptors(pid)
    await until(() => now() <= before + few, {
      what: 'descriptors to be closed',
      deadline: cleanedUp,
      every: 100,
    }).catch(() => problem(`${name}: had ${before} descriptors before, and has ${now()}`))
    figure(`${name.padEnd(14)} ${connections + silent} connections; ${before} descriptors before, ${now()} after`)
  })
  for (const [name, count] of loggedLines(facts.daemons))
    if (count - (lines.get(name) ?? 0) > connections)
      problem(`${name} has logged ${count - (lines.get(name) ?? 0)} lines`)
}

const text = (...lines: readonly string[]) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** An HTTP/2 frame (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array, length = payload.length): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const settings = frame(4, 0, 0, Buffer.alloc(0))
const someBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const anyFrame = fc
  .tuple(fc.nat(12), fc.nat(255), fc.nat(5), someBytes, fc.oneof(fc.constant(undefined), fc.nat(2 ** 24 - 1)))
  .map(([type, flags, stream, payload, length]) => frame(type, flags, stream, payload, length ?? payload.length))

/** What is written on one connection, piece by piece. */
const anything: fc.Arbitrary<readonly Buffer[]> = fc.oneof(
  fc.tuple(someBytes),
  fc.constantFrom(
    [text('GET / HTTP/1.1', 'Host: x')],
    [text('POST /overlay.v1.Networks/List HTTP/1.1', 'Host: x', 'Content-Length: 99999999999')],
    [text('GET / HTTP/1.1', `X: ${'x'.repeat(200_000)}`)],
    // A TLS hello: the record's head, and not much of it.
    [Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])],
    [preface.subarray(0, 10)],
    [preface],
    [preface, settings],
    // Headers that go on and on, of which none is complete.
    [
      preface,
      settings,
      frame(1, 0, 1, Buffer.alloc(10)),
      ...Array<Buffer>(50).fill(frame(9, 0, 1, Buffer.alloc(1_000))),
    ],
    // Pings, settings and resets without end.
    [preface, settings, ...Array<Buffer>(500).fill(frame(6, 0, 0, Buffer.alloc(8)))],
    [preface, ...Array<Buffer>(500).fill(settings)],
    [preface, settings, ...Array<Buffer>(500).fill(frame(3, 0, 1, Buffer.alloc(4)))],
    // A window of more than there may be; settings with values that may not be.
    [preface, settings, frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
    [preface, frame(4, 0, 0, Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff]))],
  ),
  fc.array(anyFrame, { minLength: 1, maxLength: 10 }).map((frames) => [preface, settings, ...frames]),
)

/** Writes all, reads what comes, and goes away. */
async function pour(where: NetConnectOpts, parts: readonly Buffer[]): Promise<void> {
  const socket = await opened(where)
  if (!socket) return
  for (const part of parts) if (socket.writable) socket.write(part)
  await new Promise((resolve) => {
    socket.once('close', resolve)
    setTimeout(resolve, patience)
  })
  socket.destroy()
}

function opened(where: NetConnectOpts): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(where, () => resolve(socket))
    // Whatever it answers, or that it closes at once, is its own affair.
    socket.on('error', () => resolve(undefined)).resume()
  })
}

/** In proper HTTP/2, but no gRPC, or what no gRPC client would send. */
async function requestsThatAreNone(where: NetConnectOpts, path: string, bomb: Buffer): Promise<void> {
  const session = connectHttp2('http://fuzz', { createConnection: () => connect(where) }).on('error', () => undefined)
  const grpc = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
  const prefixed = (flag: number, length: number, body: Uint8Array) => {
    const head = Buffer.alloc(5)
    head.writeUInt8(flag, 0)
    head.writeUInt32BE(length, 1)
    return Buffer.concat([head, body])
  }
  const bodies = [
    Buffer.alloc(0),
    Buffer.from([0, 0]),
    prefixed(0, 2 ** 32 - 1, Buffer.alloc(10)),
    prefixed(0, 5 * 1024 * 1024, Buffer.alloc(100)),
    prefixed(1, 10, Buffer.alloc(10)),
    prefixed(7, 3, Buffer.alloc(3)),
    Buffer.concat([prefixed(0, 0, Buffer.alloc(0)), prefixed(0, 0, Buffer.alloc(0))]),
  ]
  const requests = [
    ...bodies.map((body) => ({ headers: { ...grpc, ':path': path }, body })),
    { headers: { ...grpc, ':path': path, 'grpc-encoding': 'gzip' }, body: prefixed(1, bomb.length, bomb) },
    { headers: { ...grpc, ':path': path, 'grpc-encoding': 'nonsense' }, body: prefixed(1, 3, Buffer.alloc(3)) },
    {
      headers: { ...grpc, ':path': path, 'grpc-timeout': '99999999999999999H' },
      body: prefixed(0, 0, Buffer.alloc(0)),
    },
    { headers: { ...grpc, ':path': path, 'x-bin': '%%%' }, body: prefixed(0, 0, Buffer.alloc(0)) },
    { headers: { ...grpc, ':path': path, 'x-large': 'x'.repeat(50_000) }, body: prefixed(0, 0, Buffer.alloc(0)) },
    { headers: { ...grpc, ':path': '/' }, body: Buffer.alloc(0) },
    { headers: { ...grpc, ':path': '/overlay.v1.Networks/__proto__' }, body: Buffer.alloc(0) },
    { headers: { ':method': 'GET', ':path': path }, body: Buffer.alloc(0) },
    { headers: { ':method': 'POST', ':path': path, 'content-type': 'text/html' }, body: Buffer.from('x') },
  ]
  for (const { headers, body } of requests) {
    if (session.closed || session.destroyed) break
    await finished(
      session
        .request(headers)
        .on('error', () => undefined)
        .resume(),
      body,
    )
  }
  // Begun and taken back, many times (CVE-2023-44487).
  for (let n = 0; n < 300 && !session.destroyed; n++)
    session
      .request({ ...grpc, ':path': path })
      .on('error', () => undefined)
      .close()
  session.destroy()
}

function finished(stream: Http2Stream & { end(body: Uint8Array): unknown }, body: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => stream.close(), unanswered)
    stream.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    stream.end(body)
  })
}

async function crowd(where: NetConnectOpts): Promise<void> {
  const all = await Promise.all(Array.from({ length: silent }, () => opened(where)))
  for (const socket of all) socket?.destroy()
}

async function serves({ controller, agents }: Cluster, name: string): Promise<void> {
  const agent = agents.find(({ node }) => name.endsWith(` ${node}`))
  if (agent) await agent.client.service(AgentService).list({})
  else await controller.service(NetworksService).list({})
}
