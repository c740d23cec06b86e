import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type Authority, createAuthority, createKey, createRequest, issueCertificate } from '../../lib/pki/issue.ts'
import { replaceFile, replacePair } from '../../lib/pki/replace-files.ts'
import { createRpcServer, type RpcServer } from '../../lib/rpc-server.ts'
import { clientCredentials, readTls, serverCredentials, type Tls } from '../../lib/tls.ts'
import { AgentLinkService, EnrolmentService, Question, RenewResponse, Trust } from '../../proto/index.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, type Store } from '../../store/store.ts'
import { linkControllers } from '../controller-links.ts'
import { followControllers } from '../controllers.ts'
import { openCluster, silent, type TestCluster } from '../testing/cluster.ts'
import { readAuthorities } from './certificate.ts'
import { startCertificates } from './start.ts'

const life = 3_600
const directory = mkdtempSync(join(tmpdir(), 'overlay-renewal-'))
const stop = new AbortController()
let etcd: TestEtcd
let cluster: TestCluster
let store: Store
let server: RpcServer
let first: Authority
let second: Authority

/** What the controller does and hears. */
let signer: Authority
let bundle: readonly Authority[] = []
const renewals: string[] = []
const confirmed: string[][] = []
let streams = 0

const idsOf = (...authorities: Authority[]) =>
  authorities.flatMap(({ certificate }) => readAuthorities(certificate).map(({ id }) => id))
const bundleOf = (...authorities: Authority[]) => authorities.map(({ certificate }) => certificate).join('')

async function files(name: string, fields: Parameters<typeof issueCertificate>[2]): Promise<Tls> {
  const file = (end: string) => join(directory, `${name}.${end}`)
  const pair = await createKey()
  const cert = await issueCertificate(first, await createRequest(pair), fields)
  replaceFile(file('ca'), bundleOf(first))
  replacePair({ cert: file('crt'), key: file('key') }, { cert, key: pair.key })
  const tls = readTls({ ca: file('ca'), cert: file('crt'), key: file('key') })
  if (!tls) throw new Error('no TLS')
  return tls
}

const own = { commonName: 'node-0123456789abcdef', uri: 'overlay:node:host-1', life }
const commit = async (...writes: Parameters<Store['commit']>[0]['writes']) => {
  expect(await store.commit({ compares: [], writes })).toMatchObject({ committed: true })
}
const trust = (all: readonly Authority[], active: Authority) => {
  bundle = all
  const told = Trust.create({ authorities: bundleOf(...all), active: idsOf(active)[0] ?? '' })
  return commit(put(store.keys.trust, told))
}

beforeAll(async () => {
  etcd = await startEtcd()
  cluster = await openCluster(etcd)
  store = cluster.connect(2_000)
  first = await createAuthority('first', 3_600_000)
  second = await createAuthority('second', 3_600_000)
  signer = first
  server = createRpcServer(silent)
  server.add(EnrolmentService, {
    join: async () => Promise.reject(new Error('nobody joins')),
    renew: async ({ request }) => {
      const certificate = await issueCertificate(signer, request, own)
      renewals.push(new X509Certificate(certificate).serialNumber)
      return RenewResponse.create({ certificate, authorities: bundleOf(...bundle) })
    },
    confirm: async ({ authorities }) => {
      confirmed.push([...authorities])
      return {}
    },
  })
  server.add(AgentLinkService, {
    connect: async function* (messages) {
      streams++
      yield* [] as Question[]
      for await (const _ of messages) continue
    },
  })
})
afterAll(async () => {
  stop.abort()
  await server.close(0)
  await store.close()
  await cluster.close()
  await etcd.close()
  rmSync(directory, { recursive: true, force: true })
})

it('goes through four renewals and another authority, and the link to a controller stays', async () => {
  const serving = await files('controller', { commonName: 'controller', hosts: ['127.0.0.1'], life: 3_600_000 })
  const port = await server.listen('127.0.0.1:0', serverCredentials(serving))
  const gone = { id: 'gone', address: '127.0.0.1:1' }
  await commit(
    put(store.keys.controller('c1'), { id: 'c1', address: `127.0.0.1:${port}` }),
    put(store.keys.controller('gone'), gone),
  )
  await trust([first], first)
  const tls = await files('node', own)
  const controllers = followControllers(store, stop.signal, silent)
  const certificates = startCertificates({ tls, store, controllers, signal: stop.signal, log: silent })
  void linkControllers({
    controllers,
    hello: { node: 'host-1' },
    credentials: clientCredentials(tls),
    onRepairs: () => () => undefined,
    onOtherAddress: () => () => undefined,
    onRefused: () => undefined,
    answer: async () => ({}),
    signal: stop.signal,
    log: silent,
  })
  const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 30_000, interval: 20 })
  const current = () => new X509Certificate(String(tls.current().cert))
  await until(() => renewals.length === 3 && current().serialNumber === renewals.at(-1))
  expect(confirmed).toEqual([idsOf(first)])

  await trust([first, second], first)
  await until(() => confirmed.length === 2)
  expect(confirmed.at(-1)).toEqual(idsOf(first, second))
  signer = second
  await trust([first, second], second)
  const { publicKey } = new X509Certificate(second.certificate)
  await until(() => current().verify(publicKey))
  expect(certificates.problems()).toEqual([])
  expect([streams, renewals.length >= 4]).toEqual([1, true])
})
