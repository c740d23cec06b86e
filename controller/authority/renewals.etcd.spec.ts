/** A host of the control plane whose certificates live for seconds, as whoever is connected to it sees that. */
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { etcdCipherSuite } from '../../lib/etcd-cipher.ts'
import { newAuthority, trustOf } from '../../lib/pki/authorities.ts'
import {
  enrolledIdentity,
  issueEtcdPeer,
  issueEtcdServer,
  issueIdentity,
  newIdentityId,
} from '../../lib/pki/enrolment.ts'
import type { Role } from '../../lib/pki/identity.ts'
import { createKey, createRequest } from '../../lib/pki/issue.ts'
import { createSealingKey } from '../../lib/pki/sealing.ts'
import { createRpcClient, type RpcClient } from '../../lib/rpc-client.ts'
import { clientCredentials, readTls, type Tls } from '../../lib/tls.ts'
import { EventsService, type Identity, NetworksService } from '../../proto/index.ts'
import { connect } from '../../store/connect.ts'
import { randomLoopback, startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, type Store } from '../../store/store.ts'
import { silent, smallSpace, until } from '../cluster-for-tests.ts'
import { type RunningController, startController } from '../server.ts'

/** Milliseconds: of what the controller renews, and of the rest. */
const short = 4_500
const long = 3_600_000

const sealingKey = createSealingKey()
const ending = new AbortController()
const clients: RpcClient[] = []
let directory = ''
let authority: Awaited<ReturnType<typeof newAuthority>>
let etcd: TestEtcd
let store: Store
let own: Tls
let controller: RunningController
const file = (name: string) => join(directory, name)
const serial = (name: string) => new X509Certificate(readFileSync(file(`${name}.crt`))).serialNumber

async function write(name: string, issue: (request: string) => Promise<string>): Promise<Tls> {
  const pair = await createKey()
  writeFileSync(file(`${name}.crt`), await issue(await createRequest(pair)))
  writeFileSync(file(`${name}.key`), pair.key, { mode: 0o600 })
  const tls = readTls({ cert: file(`${name}.crt`), key: file(`${name}.key`), ca: file('own-ca.crt') })
  if (!tls) throw new Error('no TLS files')
  return tls
}

/** With the certificate's files. */
async function enrol(role: Role, name: string, life: number): Promise<{ tls: Tls; identity: Identity }> {
  const who = { id: newIdentityId(), role, name }
  const hosts = role === 'controller' ? ['127.0.0.1'] : []
  const tls = await write(role, (request) => issueIdentity(authority.authority, request, who, { hosts, life }))
  const certificate = String(tls.current().cert)
  const enrolled = { ...who, certificate, authority: authority.record.id, origin: 'init' }
  return { tls, identity: enrolledIdentity(enrolled, Date.now()) }
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-renewals-'))
  authority = await newAuthority(sealingKey, 'ACTIVE', Date.now())
  for (const name of ['ca.crt', 'own-ca.crt']) writeFileSync(file(name), authority.record.certificate)
  const host = randomLoopback()
  await write('server', (request) => issueEtcdServer(authority.authority, request, [host], short))
  await write('peer', (request) => issueEtcdPeer(authority.authority, request, [host], short))
  const flags = [
    `--cert-file=${file('server.crt')}`,
    `--key-file=${file('server.key')}`,
    `--trusted-ca-file=${file('ca.crt')}`,
    `--cipher-suites=${etcdCipherSuite}`,
    '--client-cert-auth',
  ]
  etcd = await startEtcd({ host, scheme: 'https', flags })
})
afterEach(async () => {
  for (const client of clients) client.close()
  ending.abort()
  await controller?.close()
  await store?.close()
  await etcd?.close()
  rmSync(directory, { recursive: true, force: true })
})

it('goes through four renewals, and whoever is connected notices nothing', { timeout: 60_000 }, async () => {
  const { tls, identity } = await enrol('controller', 'test', short)
  const viewer = await enrol('viewer', 'bob', long)
  const admin = await enrol('admin', 'ann', long)
  own = tls
  store = connect({ urls: [etcd.url], tls: own, log: silent })
  const { keys } = store
  const set = { authorities: [authority.record] }
  await store.commit({
    compares: [],
    writes: [
      put(keys.authorities, set),
      put(keys.trust, trustOf(set)),
      ...[identity, viewer.identity, admin.identity].map((each) => put(keys.identity(each.id), each)),
    ],
  })
  const files = ['controller', 'server', 'peer']
  const seen = new Map(files.map((name) => [name, new Set([serial(name)])]))
  const listen = { host: '127.0.0.1', port: 0 }
  writeFileSync(file('sealing.key'), sealingKey, { mode: 0o600 })
  controller = await startController({
    ...smallSpace,
    store,
    log: silent,
    listen,
    advertise: listen,
    tls,
    sealingKey: { file: file('sealing.key'), key: sealingKey },
    etcdTls: directory,
    certificateLife: short / 1000,
    nodeGrace: 0,
    signal: ending.signal,
  })
  const dial = (by: Tls) => {
    const address = `127.0.0.1:${controller.port}`
    const client = createRpcClient({ address, credentials: clientCredentials(by), timeout: 10_000 })
    clients.push(client)
    return client
  }
  const created: string[] = []
  let ended: unknown
  const watching = (async () => {
    for await (const { network } of dial(viewer.tls).service(EventsService).watch({})) created.push(network?.name ?? '')
  })()
  watching.catch((error: unknown) => {
    ended = error
  })
  const updates: string[] = []
  void (async () => {
    for await (const { kind } of store.follow(keys.networks, ending.signal)) updates.push(kind)
  })()
  const networks = dial(admin.tls).service(NetworksService)
  await networks.create({ name: 'before', mtu: 1400 })

  for (let renewals = 1; renewals <= 4; renewals++)
    await until(`renewal ${renewals} of each`, () => {
      for (const [name, serials] of seen) serials.add(serial(name))
      return [...seen.values()].every(({ size }) => size > renewals)
    })
  await networks.create({ name: 'after', mtu: 1400 })
  await until('the news', () => created.includes('after'))
  expect([ended, updates.filter((kind) => kind === 'lost')]).toEqual([undefined, []])
  // Nobody who comes now is shown what has expired: neither by the controller, nor by etcd.
  const late = connect({ urls: [etcd.url], tls: own, log: silent })
  expect((await late.get(keys.network('after')))?.value.name).toBe('after')
  await late.close()
  expect((await dial(viewer.tls).service(NetworksService).list({})).networks).toHaveLength(2)
})
