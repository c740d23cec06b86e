/** What etcd lets a node's certificate do: all that its agent does, and no more. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reportHostRoutes } from '../agent/node/host-routes-reporter.ts'
import { createHost, startAgent, type TestAgent } from '../agent/testing/agent.ts'
import { openCluster, silent, type TestCluster } from '../agent/testing/cluster.ts'
import { verify } from '../agent/verify.ts'
import { type EtcdAccess, etcdAccess } from '../controller/control-plane/etcd-access.ts'
import { createQuarantine } from '../store/quarantine.ts'
import { type SecureEtcd, startSecureEtcd, type TestIdentity } from '../store/secure-etcd-for-tests.ts'
import { put, RevokedError, type Store } from '../store/store.ts'

let secure: SecureEtcd
let controller: TestIdentity
let cluster: TestCluster
let root: Store
let access: EtcdAccess
let host1: TestIdentity

/** As a controller enrols somebody: the record, then the access. */
async function enrol(role: TestIdentity['role'], name: string): Promise<TestIdentity> {
  const identity = await secure.identify(role, name)
  await root.commit({ compares: [], writes: [put(root.keys.identity(identity.id), identity)] })
  await access.ensure(identity)
  return identity
}

beforeAll(async () => {
  secure = await startSecureEtcd()
  controller = await secure.identify('controller', 'host-1')
  cluster = await openCluster({ url: secure.etcd.url, tls: controller.tls })
  root = cluster.store
  access = etcdAccess({ store: root, self: controller.id, log: silent })
  await root.commit({ compares: [], writes: [put(root.keys.identity(controller.id), controller)] })
  await access.enable()
  host1 = await enrol('node', 'host-1')
})
afterAll(async () => {
  await cluster.close()
  await secure[Symbol.asyncDispose]()
})

/** As an agent on a host that has routes. */
async function reportRoutes({ store, parts }: TestAgent): Promise<void> {
  const ended = new AbortController()
  const routes = [{ kind: 'ROUTE' as const, cidr: '10.1.0.0/16', via: 'eth0' }]
  const look = async () => ({ routes, truncated: false })
  const { registration, guard } = parts
  const options = { store, node: 'host-1', registration, guard, look, signal: ended.signal, log: silent }
  await reportHostRoutes(options).attempted
  ended.abort()
}

it('is set up whole: nothing is wrong, and nothing is left to repair', async () => {
  expect(await access.check()).toEqual([])
  expect(await access.repair()).toEqual([])
})

it('lets an agent do all that it does', async () => {
  const host = createHost(1)
  const connect = () => secure.open(host1, { prefix: cluster.prefix })
  const agent = await startAgent({ ...cluster, connect }, host)
  try {
    await cluster.addNetwork('web')
    const { endpoint } = await agent.attach('c1', { name: 'c1' })
    const address = endpoint?.addresses[0] ?? ''
    await reportRoutes(agent)
    expect(await cluster.paths()).toEqual(
      expect.arrayContaining([
        'nodes/host-1',
        'sessions/host-1',
        'hostroutes/host-1',
        `endpoints/web/${endpoint?.id}`,
        `addresses/web/${address}`,
        'names/web/c1',
        `placements/host-1/web/${endpoint?.id}`,
      ]),
    )
    expect(await verify(agent.parts)).toMatchObject({ held: '', deviations: [] })
    await agent.detach({ endpointId: endpoint?.id ?? '' })
    expect(await cluster.paths()).toContain(`released/web/${address}`)
    // What another node released is taken up, too.
    await agent.attach('c2', { addresses: [address] })
    await agent.attach('c3')
  } finally {
    await agent.stop()
    host.remove()
  }
  expect(await cluster.paths()).not.toContain('sessions/host-1')
})

describe('denies a node', () => {
  const denied = /permission denied/
  const ctl = (...args: string[]) => secure.etcdctl(host1, ...args)
  const at = (path: string) => cluster.prefix + path

  it.each([
    'nodes/host-2',
    'nodes/host-10',
    'sessions/host-10',
    'hostroutes/host-10',
    'placements/host-10/web/e',
    'placements/host-1',
    'sessions/other',
    'networks/web',
    'vnis/1',
    'vni-cursor',
    'cluster',
    'drains/host-1',
    'controllers/c',
    'leaders/janitor',
    'trust',
    'identities/x',
    'secrets/authorities',
    'secrets/tokens/x',
  ])('to write %s', async (path) => {
    expect(await ctl('put', at(path), 'x')).toMatch(denied)
    expect(await ctl('del', at(path))).toMatch(denied)
  })

  it('to write beside the prefix, and to sweep over keys of its own and of others', async () => {
    expect(await ctl('put', '/elsewhere', 'x')).toMatch(denied)
    expect(await ctl('del', '--prefix', at('nodes/host-1'))).toMatch(denied)
    expect(await ctl('del', '--prefix', at('placements/'))).toMatch(denied)
    expect(await ctl('del', '--prefix', cluster.prefix)).toMatch(denied)
    expect(await ctl('del', '--from-key', '')).toMatch(denied)
  })

  it('to read secrets, by a range over them as well', async () => {
    await root.commit({ compares: [], writes: [put(root.keys.authorities, { authorities: [] })] })
    expect(await ctl('get', at('secrets/authorities'))).toMatch(denied)
    expect(await ctl('get', '--prefix', at('secrets/'))).toMatch(denied)
    expect(await ctl('get', '--prefix', cluster.prefix)).toMatch(denied)
    expect(await ctl('get', '--from-key', at('t'))).toMatch(denied)
    expect(await ctl('watch', '--prefix', at('secrets/'))).toMatch(/denied|watch is canceled/)
    // In a transaction, too, though none of its writes is refused by itself.
    const store = secure.open(host1, { prefix: cluster.prefix })
    const { authorities, node } = store.keys
    const reading = { compares: [{ on: 'key', path: authorities.path, createRevision: 0 } as const], writes: [] }
    await expect(store.commit(reading)).rejects.toMatchObject({ code: 'permission_denied' })
    const mixed = [put(node('host-1'), { name: 'host-1' }), put(node('host-2'), { name: 'host-2' })]
    await expect(store.commit({ compares: [], writes: mixed })).rejects.toMatchObject({ code: 'permission_denied' })
  })

  it("etcd's users, members and data", async () => {
    for (const args of [
      ['user', 'list'],
      ['user', 'add', 'x', '--no-password'],
      ['user', 'grant-role', host1.user, 'root'],
      ['role', 'list'],
      ['role', 'grant-permission', host1.user, 'readwrite', '/'],
      ['auth', 'disable'],
      ['member', 'add', 'x', '--peer-urls=http://127.0.0.9:1'],
      ['snapshot', 'save', '/dev/null/none'],
      ['defrag'],
    ])
      expect([args, await ctl(...args)]).toEqual([args, expect.stringMatching(/permission denied|no such|not a dir/)])
  })

  it('to end a lease on which keys of another are', async () => {
    const lease = await root.grantLease(60, { keepAlive: false })
    await root.commit({ compares: [], writes: [put(root.keys.session('other'), { node: 'other' }, { lease })] })
    const id = BigInt(lease.id).toString(16)
    expect(await ctl('lease', 'revoke', id)).toMatch(denied)
    expect(await ctl('put', `--lease=${id}`, at('sessions/host-1'), '{}')).toMatch(denied)
  })
})

it('knows a revoked node no more, at once and for good, also when its name is enrolled anew', async () => {
  const gone = await enrol('node', 'host-7')
  const store = secure.open(gone, { prefix: cluster.prefix })
  const ended = new AbortController()
  const lease = await store.grantLease(60, { keepAlive: false })
  await store.commit({ compares: [], writes: [put(store.keys.session('host-7'), { node: 'host-7' }, { lease })] })
  await root.commit({ compares: [], writes: [{ do: 'delete', path: root.keys.identity(gone.id).path }] })
  await access.remove(gone)
  await access.remove(gone)
  const again = await enrol('node', 'host-7')
  const write = { compares: [], writes: [put(store.keys.node('host-7'), { name: 'host-7' })] }
  await expect(store.probe()).rejects.toThrow(RevokedError)
  await expect(store.commit(write)).rejects.toThrow('certificate was revoked (node rm): join again')
  await expect(store.get(store.keys.network('web'))).rejects.toThrow(RevokedError)
  await expect(createQuarantine(store, () => 0).lease()).resolves.toBeDefined()
  const updates = store.follow(store.keys.nodes, ended.signal)[Symbol.asyncIterator]()
  expect((await updates.next()).value).toMatchObject({ kind: 'lost', error: { code: 'permission_denied' } })
  ended.abort()
  await expect(secure.open(again, { prefix: cluster.prefix }).commit(write)).resolves.toMatchObject({ committed: true })
  expect(await access.check()).toEqual([])
})

it('is refused by nobody who only calls while users are changed', async () => {
  const store = secure.open(host1, { prefix: cluster.prefix })
  const ended = new AbortController()
  const changing = (async () => {
    for (let round = 0; round < 15; round++) {
      // Without a record: all of it is taken back at once.
      const busy = { ...host1, id: `00000000000000${round + 10}` }
      await expect(access.ensure(busy)).rejects.toThrow('was revoked meanwhile')
    }
    ended.abort()
  })()
  let calls = 0
  const work = async (n: number) => {
    while (!ended.signal.aborted) {
      const key = store.keys.name('web', `n${n}-${calls++}`)
      await store.commit({ compares: [], writes: [put(key, { endpointId: 'e' })] })
      await store.get(key)
      const lease = await store.grantLease(60, { keepAlive: false })
      await lease.revoke()
      const once = new AbortController()
      for await (const update of store.follow(store.keys.names('web'), once.signal)) {
        expect(update.kind).not.toBe('lost')
        if (update.kind === 'changes') once.abort()
        else await store.commit({ compares: [], writes: [put(key, { endpointId: 'f' })] })
      }
    }
  }
  await Promise.all([changing, ...Array.from({ length: 8 }, (_, n) => work(n))])
  expect(calls).toBeGreaterThan(8)
  expect(await access.repair()).toEqual([])
})

it('tells what is wrong, and puts it right', async () => {
  const { admin } = root
  await admin.removeUser(host1.user)
  await admin.addUser('mallory')
  await admin.addUser('node-0123456789abcdef')
  await admin.grant('node', { permType: 'Read', key: Buffer.from('/'), range_end: Buffer.from([0]) })
  await admin.revoke(host1.user, { key: Buffer.from(root.keys.session('host-1').path), range_end: Buffer.alloc(0) })
  const problems = await access.check()
  expect(problems).toEqual([
    `etcd's role ${host1.user} may not write ${root.keys.session('host-1').path}`,
    `etcd has no user ${host1.user}`,
    `etcd's user ${host1.user} has not the role node`,
    `etcd's user ${host1.user} has not the role ${host1.user}`,
    'etcd has a user node-0123456789abcdef, whose identity is revoked',
    "etcd's role node may read / to the end, and should not",
    "etcd has a user mallory, which is none of this cluster's",
  ])
  expect(await access.repair()).toHaveLength(6)
  expect(await access.check()).toEqual(["etcd has a user mallory, which is none of this cluster's"])
  await admin.removeUser('mallory')
})

it('takes nothing away while the own identity is not to be seen', async () => {
  const lost = etcdAccess({ store: root, self: 'ffffffffffffffff', log: silent })
  await expect(lost.repair()).rejects.toThrow('is not in the store, so etcd')
  expect(await access.check()).toEqual([])
})
