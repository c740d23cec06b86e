import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { etcdCipherSuite } from '../../lib/etcd-cipher.ts'
import { bundleOf, newAuthority } from '../../lib/pki/authorities.ts'
import { issueEtcdPeer, issueEtcdServer, issueIdentity } from '../../lib/pki/enrolment.ts'
import { type Authority, createKey, createRequest } from '../../lib/pki/issue.ts'
import { createSealingKey } from '../../lib/pki/sealing.ts'
import { readTls, type Tls } from '../../lib/tls.ts'
import { Authority as AuthorityRecord, type AuthoritySet, Identity } from '../../proto/index.ts'
import { connect } from '../../store/connect.ts'
import { randomLoopback, startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, remove, type Store } from '../../store/store.ts'
import { silent, until } from '../cluster-for-tests.ts'
import { etcdAccess } from '../control-plane/etcd-access.ts'
import { viewRange } from '../range-view.ts'
import { bringTrustToEtcd } from './etcd-trust.ts'
import { leadAuthority } from './leader.ts'
import { renewOwn } from './own-certificates.ts'
import type { AuthorityParts } from './parts.ts'

const life = 3_600_000
const sealingKey = createSealingKey()
let directory = ''
let first: { readonly authority: Authority; readonly record: AuthorityRecord }
let second: typeof first
let etcd: TestEtcd
let store: Store
let own: Tls
const file = (name: string) => join(directory, name)
const text = (name: string) => readFileSync(file(name), 'utf8')
const set = (...authorities: AuthorityRecord[]): AuthoritySet => ({ authorities })

async function identity(name: string, authority: Authority, ca: string): Promise<Tls> {
  const pair = await createKey()
  const who = { id: '00112233445566ff', role: 'controller', name: 'test' } as const
  writeFileSync(file(`${name}.crt`), await issueIdentity(authority, await createRequest(pair), who, { life }))
  writeFileSync(file(`${name}.key`), pair.key, { mode: 0o600 })
  const tls = readTls({ cert: file(`${name}.crt`), key: file(`${name}.key`), ca })
  if (!tls) throw new Error('no TLS files')
  return tls
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-etcd-trust-'))
  first = await newAuthority(sealingKey, 'ACTIVE', Date.now())
  second = await newAuthority(sealingKey, 'INTRODUCED', Date.now())
  const host = randomLoopback()
  for (const [name, issue] of [
    ['server', issueEtcdServer],
    ['peer', issueEtcdPeer],
  ] as const) {
    const pair = await createKey()
    writeFileSync(file(`${name}.crt`), await issue(first.authority, await createRequest(pair), [host], life))
    writeFileSync(file(`${name}.key`), pair.key, { mode: 0o640 })
  }
  for (const name of ['ca.crt', 'own-ca.crt']) writeFileSync(file(name), first.record.certificate, { mode: 0o640 })
  const flags = [
    `--cert-file=${file('server.crt')}`,
    `--key-file=${file('server.key')}`,
    `--trusted-ca-file=${file('ca.crt')}`,
    `--cipher-suites=${etcdCipherSuite}`,
    '--client-cert-auth',
  ]
  etcd = await startEtcd({ host, scheme: 'https', flags })
  own = await identity('own', first.authority, file('own-ca.crt'))
  store = connect({ urls: [etcd.url], tls: own, log: silent })
})
afterEach(async () => {
  await store?.close()
  await etcd?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Whether etcd lets a client of that authority in. */
async function letsIn(authority: Authority): Promise<boolean> {
  const client = connect({ urls: [etcd.url], tls: await identity('client', authority, file('ca.crt')), log: silent })
  try {
    return await client.probe().then(
      () => true,
      () => false,
    )
  } finally {
    await client.close()
  }
}

it('etcd is told of new authorities, once it is restarted by that', async () => {
  const ending = new AbortController()
  const bring = (authorities: AuthoritySet) =>
    bringTrustToEtcd(
      {
        store,
        self: { id: '', name: 'test' },
        log: silent,
        directory,
        tls: own,
        candidate: { id: 'test' },
        signal: ending.signal,
      },
      authorities,
    )
  // As it was started: nothing is to be done.
  await bring(set(first.record))
  expect(await letsIn(second.authority)).toBe(false)

  const both = set(first.record, second.record)
  let isDone = false
  const brought = bring(both).then(() => {
    isDone = true
  })
  await until('the file to be written', () => text('ca.crt') === bundleOf(both))
  expect(statSync(file('ca.crt')).mode & 0o777).toBe(0o640)
  expect(isDone).toBe(false)
  expect(existsSync(file('ca.crt'))).toBe(true)
  // As the path unit does.
  await etcd.stop()
  await etcd.restart()
  await brought
  expect(await letsIn(second.authority)).toBe(true)
  ending.abort()
})

it('certificates of etcd and the controller are renewed while they are in use', async () => {
  const { keys } = store
  const self = { id: '00112233445566ff', name: 'test' }
  const active = [
    { ...first.record, state: 'RETIRING' as const },
    { ...second.record, state: 'ACTIVE' as const },
  ]
  const parts: AuthorityParts = {
    store,
    sealing: { file: '', key: sealingKey },
    life: 120_000,
    now: Date.now,
    log: silent,
    self,
    access: undefined,
    members: async () => [],
    removeMember: async () => {},
  }
  await store.commit({
    compares: [],
    writes: [
      put(keys.authorities, set(first.record)),
      put(keys.identity(self.id), Identity.create({ ...self, role: 'controller', authority: 'none' })),
    ],
  })
  const files = { tls: own, etcd: directory }
  const names = ['server.crt', 'peer.crt', 'own.crt', 'server.key', 'peer.key', 'own.key']
  const before = names.map(text)
  await renewOwn(parts, files)
  // Nothing is due.
  expect(names.map(text)).toEqual(before)
  expect((await store.get(keys.identity(self.id)))?.value.authority).toBe(first.record.id)

  // As if etcd trusted both: a new connection is made with what is new.
  writeFileSync(file('ca.crt'), bundleOf(set(...active)))
  await etcd.stop()
  await etcd.restart()
  await store.commit({ compares: [], writes: [put(keys.authorities, set(...active))] })
  const due = await renewOwn(parts, files)
  const after = names.map(text)
  expect(after.map((each, index) => each === before[index])).toEqual([false, false, false, true, true, true])
  expect(due - Date.now()).toBeGreaterThan(120_000 * 0.6)
  expect(due - Date.now()).toBeLessThan(120_000 * 0.76)
  expect((await store.get(keys.identity(self.id)))?.value).toMatchObject({
    authority: second.record.id,
    role: 'controller',
  })
  expect(text('own-ca.crt')).toBe(bundleOf(set(...active)))
  expect(await letsIn(second.authority)).toBe(true)
  await renewOwn({ ...parts, now: () => Date.now() + 119_000 }, files)
  expect(text('server.crt')).not.toBe(after[0])
})

it('the controller that leads has etcd ask who its clients are, and takes out who is revoked', async () => {
  const { keys } = store
  const self = { id: '00112233445566ff', name: 'test' }
  const node = Identity.create({ id: 'a'.repeat(16), role: 'node', name: 'n1' })
  const controller = Identity.create({ ...self, role: 'controller' })
  await store.commit({
    compares: [],
    writes: [
      put(keys.authorities, set(first.record)),
      ...[node, controller].map((each) => put(keys.identity(each.id), each)),
    ],
  })
  const ending = new AbortController()
  const { signal } = ending
  const parts: AuthorityParts = {
    store,
    sealing: { file: '', key: sealingKey },
    life: 120_000,
    now: Date.now,
    log: silent,
    self,
    access: etcdAccess({ store, self: self.id, log: silent }),
    members: async () => [],
    removeMember: async () => {},
  }
  const leading = leadAuthority(parts, {
    candidate: { id: 'test' },
    identities: viewRange(store, keys.identities, signal, silent),
    onAuthorities: () => () => {},
    signal,
  })
  try {
    await until('etcd to ask', () => store.admin.isAuthEnabled())
    expect(await store.admin.users()).toContain(`node-${node.id}`)
    await store.commit({ compares: [], writes: [remove(keys.identity(node.id))] })
    await until('the user to be gone', async () => !(await store.admin.users()).includes(`node-${node.id}`))
    expect((await store.list(keys.identities)).entries.map(({ value }) => value.name)).toEqual(['test'])
  } finally {
    ending.abort()
    await leading
  }
})
