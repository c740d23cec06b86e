import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { authorityId } from '../../lib/pki/authorities.ts'
import { createSealingKey, seal } from '../../lib/pki/sealing.ts'
import { createRpcClient, type RpcClient } from '../../lib/rpc-client.ts'
import { clientCredentials, readTls, type Tls } from '../../lib/tls.ts'
import { EventsService, NetworksService, NodesService } from '../../proto/index.ts'
import { put, remove, type Store } from '../../store/store.ts'
import { type Bearer, type CertificateFiles, createPki, type TestPki } from '../../test/lab/pki.ts'
import { registerNode, silent, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { viewRange } from '../range-view.ts'
import { agent, type Served, serve } from '../served-for-tests.ts'
import { viewIdentities } from './identities.ts'

let stores: TestStores
let directory = ''
let pki: TestPki
let served: Served
const sealing = createSealingKey()
const clients: RpcClient[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-managed-'))
  ;[stores, pki] = await Promise.all([testStores(), createPki(directory)])
})
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  await stores[Symbol.asyncDispose]()
})
beforeEach(async () => {
  const files = await pki.issue('server', { role: 'controller', name: 'ctl', hosts: ['127.0.0.1'] })
  const { certificate, key } = pki.authority
  const id = authorityId(certificate)
  const set = { authorities: [{ id, certificate, sealedKey: seal(sealing, key), state: 'ACTIVE' as const, since: '' }] }
  served = await serve(stores, {
    tls: { server: live(files), client: live({ ca: pki.ca }) },
    sealingKey: { file: join(directory, 'sealing.key'), key: sealing },
    prepare: (store) =>
      store.commit({
        compares: [],
        writes: [
          put(store.keys.authorities, set),
          put(store.keys.identity(files.id), {
            id: files.id,
            role: 'controller',
            name: 'ctl',
            authority: id,
            trusts: [id],
          }),
        ],
      }),
  })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await served[Symbol.asyncDispose]()
})

function live({ ca, cert, key }: Partial<CertificateFiles>): Tls {
  const tls = readTls({ ca, cert, key })
  if (!tls) throw new Error('no files were named')
  return tls
}

interface Enrolled {
  readonly client: RpcClient
  readonly id: string
}

/** Somebody with a certificate; in the store, too, unless `record` says something else. */
async function enrol(bearer: Bearer, record: object | null = {}): Promise<Enrolled> {
  const files = await pki.issue(`${bearer.role}-${bearer.name}`, bearer)
  const { role, name } = bearer
  if (record) await write(files.id, { id: files.id, role, name, ...record })
  const address = `127.0.0.1:${served.controller.port}`
  const client = createRpcClient({ address, credentials: clientCredentials(live(files)), timeout: 5_000 })
  clients.push(client)
  return { client, id: files.id }
}

const write = (id: string, record: object) =>
  served.store.commit({ compares: [], writes: [put(served.store.keys.identity(id), record)] })
const revoke = (id: string) => served.store.commit({ compares: [], writes: [remove(served.store.keys.identity(id))] })
const list = ({ client }: Enrolled) => client.service(NetworksService).list({})
const wasRevoked = {
  code: 'unauthenticated',
  message: expect.stringMatching(/^the certificate of viewer bob was revoked: /),
}

it('who was enrolled a moment ago is let in at once', async () => {
  for (let n = 0; n < 20; n++) await list(await enrol({ role: 'viewer', name: `v${n}` }))
})

it('who is revoked is refused at once, and stays so under a name that was enrolled anew', async () => {
  const bob = await enrol({ role: 'viewer', name: 'bob' })
  await list(bob)
  await revoke(bob.id)
  await until('the refusal', () =>
    list(bob).then(
      () => false,
      () => true,
    ),
  )
  await expect(list(bob)).rejects.toMatchObject(wasRevoked)
  const anew = await enrol({ role: 'viewer', name: 'bob' })
  await list(anew)
  await expect(list(bob)).rejects.toMatchObject(wasRevoked)
})

it('who never was in the store is refused', async () => {
  await expect(list(await enrol({ role: 'viewer', name: 'bob' }, null))).rejects.toMatchObject(wasRevoked)
})

it.each([
  ['role', { role: 'admin' }],
  ['name', { name: 'ann' }],
])('another %s in the store than in the certificate is no identity', async (_, record) => {
  await expect(list(await enrol({ role: 'viewer', name: 'bob' }, record))).rejects.toMatchObject(wasRevoked)
})

it("a revoked one's streams end at once, and its node is connected no more", async () => {
  await registerNode(served.store, 'h1')
  const [admin, node, viewer] = [
    await enrol({ role: 'admin', name: 'ann' }),
    await enrol({ role: 'node', name: 'h1' }),
    await enrol({ role: 'viewer', name: 'bob' }),
  ]
  const link = agent(node.client, 'h1', () => ({ verification: { node: 'h1' } }))
  const nodes = admin.client.service(NodesService)
  await until('the link', () =>
    nodes.verify({ name: 'h1' }).then(
      () => true,
      () => false,
    ),
  )
  const events = viewer.client.service(EventsService).watch({})[Symbol.asyncIterator]()
  const next = events.next()
  // Its network is told to the watcher: the stream is open.
  await until('an event', async () => {
    await admin.client.service(NetworksService).create({ mtu: 1400 })
    return Promise.race([next.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))])
  })
  await revoke(node.id)
  expect(await link.ended).toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('the certificate of node h1 was revoked: join the cluster again on its host'),
  })
  await expect(nodes.verify({ name: 'h1' })).rejects.toMatchObject({ code: 'unavailable' })
  await revoke(viewer.id)
  const toTheEnd = async () => {
    while (!(await events.next()).done);
  }
  await expect(toTheEnd()).rejects.toMatchObject(wasRevoked)
})

it('a record that is only renewed changes nothing for open streams', async () => {
  const node = await enrol({ role: 'node', name: 'h1' })
  const link = agent(node.client, 'h1', () => undefined)
  await list(node)
  await write(node.id, { id: node.id, role: 'node', name: 'h1', notAfter: 'later', authority: 'another' })
  const other = await enrol({ role: 'viewer', name: 'later' })
  await list(other)
  expect(await Promise.race([link.ended, list(node).then(() => 'open')])).toBe('open')
})

it('an agent says of no other node that it is', async () => {
  const node = await enrol({ role: 'node', name: 'h1' })
  expect(await agent(node.client, 'h2', () => undefined).ended).toMatchObject({
    code: 'permission_denied',
    message: expect.stringMatching(/^an agent's stream for node h2 needs that node's own certificate; this is node h1/),
  })
})

it("a node is removed by itself under its name, and not by the beginning of another's uid", async () => {
  await registerNode(served.store, 'h1')
  const { entries } = await served.store.list(served.store.keys.nodes)
  const uid = entries[0]?.value.uid.slice(0, 4) ?? ''
  const remover = await enrol({ role: 'node', name: uid })
  const { remove, drain, undrain, resync } = remover.client.service(NodesService)
  for (const call of [drain, undrain, resync])
    await expect(call({ name: uid })).rejects.toMatchObject({ code: 'not_found' })
  expect(await remove({ name: uid, force: true })).toMatchObject({ node: { name: uid, uid: '' } })
  expect(await served.store.count(served.store.keys.nodes)).toBe(1)
  const itself = await enrol({ role: 'node', name: 'h1' })
  expect(await itself.client.service(NodesService).remove({ name: 'h1' })).toMatchObject({ node: { name: 'h1' } })
})

it('the store is asked once for one that is revoked, however often it calls', async () => {
  const [store] = stores.open()
  let asked = 0
  const counting: Store = {
    ...store,
    get(key) {
      asked++
      return store.get(key)
    },
    follow: (range, signal) => store.follow(range, signal),
  }
  const ending = new AbortController()
  const view = viewRange(counting, store.keys.identities, ending.signal, silent)
  const identities = viewIdentities({ store: counting, view })
  const gone = { role: 'viewer', name: 'bob', id: 'ab'.repeat(8) } as const
  const results = await Promise.allSettled(Array.from({ length: 50 }, () => identities.current(gone)))
  await identities.current(gone).catch(() => undefined)
  ending.abort()
  expect(results.every(({ status }) => status === 'rejected')).toBe(true)
  expect(asked).toBe(1)
})

it('until the store has told, calls wait, and are not let through', async () => {
  const [store] = stores.open()
  const ending = new AbortController()
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const slow: Store = {
    ...store,
    async *follow(range, signal) {
      await opened
      yield* store.follow(range, signal)
    },
  }
  const id = 'cd'.repeat(8)
  await store.commit({ compares: [], writes: [put(store.keys.identity(id), { id, role: 'viewer', name: 'bob' })] })
  const view = viewRange(slow, store.keys.identities, ending.signal, silent)
  const identities = viewIdentities({ store: slow, view, patience: 20 })
  const bob = { role: 'viewer', name: 'bob', id } as const
  await expect(identities.current(bob)).rejects.toMatchObject({ code: 'unavailable' })
  open()
  expect((await identities.current(bob)).aborted).toBe(false)
  ending.abort()
})
