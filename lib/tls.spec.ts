import { EventEmitter, on, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Event, EventsService } from '../proto/index.ts'
import { type Bearer, type CertificateFiles, createPki, type TestPki } from '../test/lab/pki.ts'
import type { Access } from './rpc-access.ts'
import { createRpcClient, type RpcClient } from './rpc-client.ts'
import { createRpcServer } from './rpc-server.ts'
import { clientCredentials, readTls, serverCredentials, type Tls } from './tls.ts'

let directory = ''
let pki: TestPki
let other: TestPki
const file = (name: string) => join(directory, name)
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-tls-'))
  ;[pki, other] = await Promise.all([createPki(file('one')), createPki(file('other'), 'another')])
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const server = { role: 'controller', name: 'ctl', hosts: ['127.0.0.1'] } as const

describe('readTls', () => {
  it('is undefined when no file is named', () => {
    expect(readTls({})).toBeUndefined()
    expect(readTls({ cert: undefined, key: undefined, ca: undefined })).toBeUndefined()
  })

  it('reads what is named', async () => {
    const { ca, cert, key } = await pki.issue('read', server)
    expect(readTls({ ca })?.current()).toEqual({ ca: await readFile(ca) })
    expect(readTls({ ca, cert, key })?.current()).toEqual({
      ca: await readFile(ca),
      cert: await readFile(cert),
      key: await readFile(key),
    })
  })

  it('says what is missing, or no certificate or key', async () => {
    const { ca, cert, key } = await pki.issue('bad', server)
    const { key: anotherKey } = await pki.issue('bad-too', server)
    const none = file('none')
    const junk = file('junk')
    writeFileSync(junk, 'junk')
    expect(() => readTls({ cert, key })).toThrow('TLS needs --tls-ca')
    expect(() => readTls({ ca, cert })).toThrow('give --tls-cert and --tls-key together')
    expect(() => readTls({ ca, key })).toThrow('give --tls-cert and --tls-key together')
    expect(() => readTls({ ca: none })).toThrow(`--tls-ca ${none}: cannot be read: ENOENT`)
    expect(() => readTls({ ca, cert: none, key })).toThrow(`--tls-cert ${none}: cannot be read: ENOENT`)
    expect(() => readTls({ ca: junk })).toThrow(`--tls-ca ${junk}: is no certificate in PEM`)
    expect(() => readTls({ ca, cert: junk, key })).toThrow(
      `--tls-cert ${junk} and --tls-key ${key}: are no certificate`,
    )
    expect(() => readTls({ ca, cert, key: anotherKey })).toThrow('and its key')
  })
})

describe('reload', () => {
  it('tells whether anything is another, and whom it is of interest to', async () => {
    const files = await pki.issue('told', server)
    const tls = live(files)
    let told = 0
    const end = tls.onChange(() => told++)
    expect(tls.reload()).toBe(false)
    await pki.issue('told', server)
    expect(tls.reload()).toBe(true)
    expect(tls.current().cert).toEqual(await readFile(files.cert))
    end()
    await pki.issue('told', server)
    expect(tls.reload()).toBe(true)
    expect(told).toBe(1)
  })

  it('leaves all as it was while only one of the files has been replaced', async () => {
    const files = await pki.issue('half', server)
    const before = live(files)
    const material = before.current()
    await copyFile((await pki.issue('half-next', server)).cert, files.cert)
    expect(() => before.reload()).toThrow('are no certificate in PEM and its key')
    expect(before.current()).toBe(material)
  })
})

it('to serve, a certificate is needed', () => {
  expect(() => serverCredentials(readTls({ ca: pki.ca }))).toThrow(
    'to serve with TLS give --tls-cert and --tls-key too',
  )
})

describe('a server and a client whose files are replaced', () => {
  it('show the new certificate to who connects from then on, and an open stream goes on', async () => {
    const served = live(await pki.issue('served', server))
    const { port, tell } = await serveEvents(served)
    const watched = events(clientOf(port, live({ ca: pki.ca })))
    expect((await watched.next()).value).toMatchObject({ message: 'welcome' })
    const first = await shownBy(port)
    await pki.issue('served', server)
    expect(await shownBy(port)).toBe(first)
    served.reload()
    expect(await shownBy(port)).not.toBe(first)
    tell('news')
    expect((await watched.next()).value).toMatchObject({ message: 'news' })
  })

  it('trust another authority from then on, on both sides, and an open stream goes on', async () => {
    const serverFiles = await withOwnCa('turned', server)
    const served = live(serverFiles)
    const { port, tell, callers } = await serveEvents(served)
    const clientFiles = await withOwnCa('turning', { role: 'viewer', name: 'turning' })
    const trusting = live(clientFiles)
    const credentials = clientCredentials(trusting)
    const watch = () => events(createRpcClient({ address: `127.0.0.1:${port}`, credentials, timeout: 5_000 }))
    const open = watch()
    expect((await open.next()).value).toMatchObject({ message: 'welcome' })
    expect(callers()).toEqual([expect.stringMatching(/^viewer-/)])

    await replace(serverFiles, await other.issue('turned', server))
    served.reload()
    await expect(watch().next()).rejects.toMatchObject({ code: 'unavailable' })
    await replace(clientFiles, await other.issue('turning', { role: 'admin', name: 'turning' }))
    trusting.reload()
    expect((await watch().next()).value).toMatchObject({ message: 'welcome' })
    expect(callers().at(-1)).toMatch(/^admin-/)
    tell('news')
    expect((await open.next()).value).toMatchObject({ message: 'news' })
  })
})

describe('a server', () => {
  it('takes no TLS 1.2, and no plain text', async () => {
    const { port } = await serveEvents(live(await pki.issue('strict', server)))
    const old = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const
    await expect(handshake(port, old)).rejects.toThrow(/protocol version/)
    await expect(events(clientOf(port, undefined)).next()).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('sees nobody in who comes without a certificate, with a foreign or an expired one, or resumes a session', async () => {
    const { port, callers } = await serveEvents(live(await pki.issue('asking', server)))
    const foreign = { ...(await other.issue('foreign', { role: 'admin', name: 'eve' })), ca: pki.ca }
    const expired = await pki.issue('expired', { role: 'admin', name: 'old', life: -1_000 })
    for (const files of [{ ca: pki.ca }, foreign, expired]) await events(clientOf(port, live(files))).next()
    expect(callers()).toEqual([undefined, undefined, undefined])
    await resumed(port)
    expect(callers()).toEqual([undefined, undefined, undefined, undefined])
  })
})

function live({ ca, cert, key }: Partial<CertificateFiles>): Tls {
  const tls = readTls({ ca, cert, key })
  if (!tls) throw new Error('no files were named')
  return tls
}

/** With a file of authorities that is no other's. */
async function withOwnCa(name: string, bearer: Bearer): Promise<CertificateFiles> {
  const files = { ...(await pki.issue(name, bearer)), ca: file(`${name}-ca.crt`) }
  await copyFile(pki.ca, files.ca)
  return files
}

async function replace(files: CertificateFiles, by: CertificateFiles): Promise<void> {
  for (const part of ['cert', 'key', 'ca'] as const) await copyFile(by[part], files[part])
}

function clientOf(port: number, tls: Tls | undefined): RpcClient {
  return createRpcClient({ address: `127.0.0.1:${port}`, credentials: clientCredentials(tls), timeout: 5_000 })
}

/** What it watches; it is closed after the test. */
function events(client: RpcClient): AsyncIterator<Event> {
  cleanups.push(() => client.close())
  return client.service(EventsService).watch({})[Symbol.asyncIterator]()
}

/** Serves a stream that says `welcome`, then what it is told to; and sees whose certificates there are. */
async function serveEvents(tls: Tls) {
  const told = new EventEmitter()
  const seen: (string | undefined)[] = []
  const access: Access = {
    admit: async (_, certificate) => {
      seen.push(certificate && String(certificate.subject.CN))
      return { caller: undefined }
    },
  }
  const mostCalls = { unary: 9, 'server-stream': 9, duplex: 9 }
  const rpc = createRpcServer(pino({ level: 'silent' }), { name: 'the test', mostCalls, access })
  rpc.add(EventsService, {
    watch: async function* (_, { signal }) {
      const news = on(told, 'news', { signal })
      yield Event.create({ message: 'welcome' })
      for await (const [message] of news) yield Event.create({ message })
    },
  })
  const port = await rpc.listen('127.0.0.1:0', serverCredentials(tls))
  cleanups.push(() => rpc.close(0))
  return { port, tell: (message: string) => void told.emit('news', message), callers: () => seen }
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const ca = await readFile(pki.ca)
  const socket = connect({ port, host: '127.0.0.1', ca, ALPNProtocols: ['h2'], ...options })
  cleanups.push(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** The fingerprint of the certificate that is shown to who connects now. */
async function shownBy(port: number): Promise<string> {
  return (await handshake(port)).getPeerCertificate().fingerprint256
}

/** Calls on a session that is resumed, which Node takes for an authorized one whoever it is. */
async function resumed(port: number): Promise<void> {
  const first = await handshake(port)
  const [session] = (await once(first, 'session')) as [Buffer]
  const socket = await handshake(port, { session })
  expect(socket.isSessionReused()).toBe(true)
  const http = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket })
  cleanups.push(() => http.destroy())
  const headers = { ':method': 'POST', ':path': EventsService.methods.watch.path, 'content-type': 'application/grpc' }
  const stream = http.request({ ...headers, te: 'trailers' })
  stream.end(Buffer.alloc(5))
  await once(stream, 'response')
}
