/** A controller of a cluster with its own authority, as those see it that come over the network. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Metadata } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { authorityId } from '../lib/pki/authorities.ts'
import { createKey, createRequest } from '../lib/pki/issue.ts'
import { createRpcClient, type RpcClient } from '../lib/rpc-client.ts'
import { clientCredentials, readTls } from '../lib/tls.ts'
import {
  AgentLinkService,
  EnrolmentService,
  NetworksService,
  NodesService,
  SecurityService,
  TokensService,
} from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { type ManagedCluster, managedCluster } from './authority/authority-for-tests.ts'
import { registerNode, silent, smallSpace, type TestStores, testStores, until } from './cluster-for-tests.ts'
import { type RunningController, startController } from './server.ts'

let stores: TestStores
let cluster: ManagedCluster
let store: Store
let controller: RunningController
const ending: AbortController[] = []
const clients: RpcClient[] = []

beforeEach(async () => {
  stores = await testStores()
  cluster = await managedCluster()
  store = stores.open()[0]
  const ended = new AbortController()
  ending.push(ended)
  const { cert, ca, directory, file } = cluster.first
  const listen = { host: '127.0.0.1', port: 0 }
  controller = await startController({
    ...smallSpace,
    store,
    log: silent,
    listen,
    advertise: listen,
    tls: readTls({ cert, ca, key: join(directory, 'tls.key') }),
    sealingKey: { file, key: cluster.sealingKey },
    nodeGrace: 0,
    signal: ended.signal,
  })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const each of ending.splice(0)) each.abort()
  await controller?.close()
  await cluster[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

/** Whoever trusts the cluster; without files somebody without a certificate. */
function dial(files: { readonly cert?: string; readonly key?: string } = {}): RpcClient {
  const credentials = clientCredentials(readTls({ ...files, ca: cluster.first.ca }))
  const client = createRpcClient({ address: `127.0.0.1:${controller.port}`, credentials, timeout: 5_000 })
  clients.push(client)
  return client
}

/** Lets somebody in, and dials as that one. */
async function enter(role: string, name: string): Promise<RpcClient> {
  const { cert, directory } = cluster.first
  const { token } = await dial({ cert, key: join(directory, 'tls.key') })
    .service(TokensService)
    .create({ role })
  const pair = await createKey()
  const answer = await dial()
    .service(EnrolmentService)
    .join({ token, name, request: await createRequest(pair) })
  const files = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) }
  writeFileSync(files.cert, answer.certificate)
  writeFileSync(files.key, pair.key, { mode: 0o600 })
  return dial(files)
}

it('lets nobody in but by a token, and those who came so as far as their role goes', async () => {
  const stranger = dial()
  await expect(stranger.service(NetworksService).list({})).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(stranger.service(TokensService).create({})).rejects.toMatchObject({ code: 'unauthenticated' })
  const [node, viewer, admin] = [await enter('node', 'n1'), await enter('viewer', 'eve'), await enter('admin', 'ann')]
  await expect(node.service(TokensService).create({})).rejects.toMatchObject({ code: 'permission_denied' })
  await expect(viewer.service(TokensService).create({})).rejects.toMatchObject({ code: 'permission_denied' })
  const status = await admin.service(SecurityService).get({})
  expect(status).toMatchObject({ externalEtcd: true, problems: [], waitingFor: [] })
  expect(status.identities.map(({ role, name }) => `${role}/${name}`)).toEqual([
    'admin/ann',
    'admin/root',
    'controller/host1',
    'node/n1',
    'viewer/eve',
  ])
  const { tokens } = await admin.service(TokensService).list({})
  expect(tokens.map(({ createdBy, hash }) => `${createdBy} ${hash.length}`)).toEqual(
    Array(3).fill('controller/host1 0'),
  )
})

it('a node renews its certificate, until it is removed: that ends its stream at once', async () => {
  const admin = await enter('admin', 'ann')
  const node = await enter('node', 'n1')
  await registerNode(store, 'n1')
  const request = await createRequest(await createKey())
  const renewed = await node.service(EnrolmentService).renew({ request })
  expect(renewed.identity?.name).toBe('n1')
  await node.service(EnrolmentService).confirm({ authorities: [renewed.identity?.authority ?? ''] })
  const link = node.service(AgentLinkService).connect()
  const ended = (async () => {
    for await (const _ of link);
  })().then(
    () => undefined,
    (error: unknown) => error,
  )
  link.send({ hello: { node: 'n1', uid: 'u', version: '1' } })
  const connected = () => admin.service(NodesService).get({ name: 'n1' })
  await until('the node to be there', async () => (await connected()).name === 'n1')
  await admin.service(NodesService).remove({ name: 'n1', force: true })
  expect(await ended).toMatchObject({ code: 'unauthenticated' })
  await expect(node.service(EnrolmentService).renew({ request })).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('tells a person with each answer whether there is anything to renew or confirm', async () => {
  await enter('viewer', 'eve')
  const { directory, ca } = cluster.first
  const credentials = clientCredentials(
    readTls({ cert: join(directory, 'eve.crt'), key: join(directory, 'eve.key'), ca }),
  )
  let heard = ''
  const onMetadata = (metadata: Metadata) => {
    heard = String(metadata.get('overlay-authorities')[0])
  }
  const client = createRpcClient({ address: `127.0.0.1:${controller.port}`, credentials, timeout: 5_000, onMetadata })
  clients.push(client)
  const tells = (what: () => string) =>
    until(what(), async () => {
      await client.service(NetworksService).list({})
      return heard === what()
    })
  const digest = () => createHash('sha256').update(readFileSync(ca)).digest('hex')
  const before = digest()
  await tells(() => before)
  const { cert } = cluster.first
  await dial({ cert, key: join(directory, 'tls.key') })
    .service(SecurityService)
    .rotateAuthority({})
  await tells(() => 'renew')
  const enrolment = client.service(EnrolmentService)
  const { authorities } = await enrolment.renew({ request: await createRequest(await createKey()) })
  const ids = authorities.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)?.map(authorityId)
  await enrolment.confirm({ authorities: ids ?? [] })
  await tells(digest)
  expect(digest()).not.toBe(before)
})
