import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { identityOf } from '../../lib/pki/identity.ts'
import { createKey, createRequest } from '../../lib/pki/issue.ts'
import { formatToken, parseToken } from '../../lib/pki/token.ts'
import {
  CreateTokenRequest,
  type CreateTokenResponse,
  type Init,
  JoinRequest,
  RemoveTokenRequest,
} from '../../proto/index.ts'
import { put, remove, type Store } from '../../store/store.ts'
import { claim, registerNode, type TestStores, testStores } from '../cluster-for-tests.ts'
import { callOf, type ManagedCluster, managedCluster, type TestController } from './authority-for-tests.ts'

let stores: TestStores
let cluster: ManagedCluster
let store: Store
let controller: TestController
/** Milliseconds that the controllers' clock is ahead. */
let ahead = 0

beforeAll(async () => {
  stores = await testStores()
  cluster = await managedCluster()
  store = stores.open()[0]
  controller = await cluster.start(store, cluster.first, { now: () => Date.now() + ahead })
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

const create = (request: Init<CreateTokenRequest> = {}): Promise<CreateTokenResponse> =>
  controller.tokens.create(CreateTokenRequest.create(request), callOf(cluster.admin))
const newRequest = async () => createRequest(await createKey())
const join = async (token: string, name: string, more: Init<JoinRequest> = {}, peer?: string) =>
  controller.enrolment.join(
    JoinRequest.create({ token, name, request: await newRequest(), ...more }),
    callOf(undefined, peer),
  )
const identities = async () => (await store.list(store.keys.identities)).entries.map(({ value }) => value)
const enrolled = async (name: string) => (await identities()).filter((identity) => identity.name === name)

it('a token of one use lets one of ten in, who come at once', async () => {
  const { token, record } = await create()
  const names = Array.from({ length: 10 }, (_, index) => `race${index}`)
  const outcomes = await Promise.allSettled(names.map((name, index) => join(token, name, {}, `192.0.2.${index}:1`)))
  const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  expect(won).toHaveLength(1)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'unauthenticated' })
  const made = (await identities()).filter(({ name }) => name.startsWith('race'))
  expect(made).toEqual([won[0]?.identity])
  expect(made[0]).toMatchObject({ role: 'node', origin: record?.id })
  expect((await controller.tokens.list({}, callOf(cluster.admin))).tokens).toContainEqual(
    expect.objectContaining({ id: record?.id, usesLeft: 0 }),
  )
})

it('ten uses let ten in, who come at once', async () => {
  const { token } = await create({ uses: 10, role: 'viewer' })
  const names = Array.from({ length: 10 }, (_, index) => `many${index}`)
  const answers = await Promise.all(names.map((name) => join(token, name)))
  expect(answers.map(({ identity }) => `${identity?.role}/${identity?.name}`).toSorted()).toEqual(
    names.map((name) => `viewer/${name}`),
  )
  await expect(join(token, 'many10')).rejects.toThrow('this token has been used up')
})

it('answers with a certificate of the identity, and what the host needs to find the cluster', async () => {
  await store.commit({
    compares: [],
    writes: [
      put(store.keys.controller('10.0.0.1:4780'), { id: '10.0.0.1:4780', address: '10.0.0.1:4780' }),
      put(store.keys.cluster, { uid: 'f00d' }),
    ],
  })
  const { token } = await create()
  const answer = await join(token, 'plain')
  const certificate = new X509Certificate(answer.certificate)
  expect(identityOf(certificate)).toEqual({ role: 'node', name: 'plain', id: answer.identity?.id })
  expect(certificate.verify(new X509Certificate(answer.authorities).publicKey)).toBe(true)
  expect(answer).toMatchObject({
    clusterUid: 'f00d',
    etcdUrls: store.urls,
    controllers: ['10.0.0.1:4780'],
    prefix: store.keys.prefix,
    controlPlane: null,
  })
  expect(answer.identity?.trusts).toEqual([answer.identity?.authority])
})

it('a host of the control plane gets what it takes, with a token for that only', async () => {
  const requests = async () => ({
    host: '10.0.0.2',
    controllerRequest: await newRequest(),
    etcdServerRequest: await newRequest(),
    etcdPeerRequest: await newRequest(),
  })
  const { token: plain } = await create()
  await expect(join(plain, 'host2', { controlPlane: await requests() })).rejects.toMatchObject({
    code: 'permission_denied',
  })
  const { token } = await create({ controlPlane: true })
  const { controlPlane } = await join(token, 'host2', { controlPlane: await requests() })
  expect(Buffer.from(controlPlane?.sealingKey ?? '')).toEqual(cluster.sealingKey)
  expect(controlPlane?.externalEtcd).toBe(true)
  const [own, server, peer] = (['controllerCertificate', 'etcdServerCertificate', 'etcdPeerCertificate'] as const).map(
    (which) => new X509Certificate(controlPlane?.[which] ?? ''),
  )
  expect(own && identityOf(own)).toEqual({ role: 'controller', name: 'host2', id: controlPlane?.identity?.id })
  for (const host of ['10.0.0.2', '127.0.0.1', '::1']) expect(server?.checkIP(host)).toBe(host)
  for (const host of ['host2', 'localhost']) expect(own?.checkHost(host)).toBe(host)
  expect([server?.subject, peer?.subject]).toEqual(['CN=etcd-server', 'CN=etcd-peer'])
  expect(peer?.checkIP('10.0.0.2')).toBe('10.0.0.2')
  expect((await enrolled('host2')).map(({ role }) => role).toSorted()).toEqual(['controller', 'node'])
})

it('refuses a name that is enrolled, unless that one is to be replaced', async () => {
  const { token } = await create({ uses: 3 })
  const before = await join(token, 'lost')
  await registerNode(store, 'lost')
  const web = { name: 'web', uid: 'w', vni: 5000 }
  await store.commit({ compares: [], writes: [put(store.keys.network('web'), web)] })
  const network = await store.get(store.keys.network('web'))
  if (!network) throw new Error('no network')
  await claim(store, network.value, 'lost', '10.0.9.7')
  await expect(join(token, 'lost')).rejects.toMatchObject({
    code: 'already_exists',
    message: expect.stringContaining('overlayctl node rm lost') as string,
  })
  // While that one is alive it is nobody's to replace.
  const session = store.keys.session('lost')
  await store.commit({ compares: [], writes: [put(session, { node: 'lost' })] })
  await expect(join(token, 'lost', { replace: true })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining('node lost is alive') as string,
  })
  expect(await enrolled('lost')).toEqual([before.identity])
  await store.commit({ compares: [], writes: [remove(session)] })
  const after = await join(token, 'lost', { replace: true })
  expect(after.identity?.id).not.toBe(before.identity?.id)
  expect(await enrolled('lost')).toEqual([after.identity])
  expect(await store.get(store.keys.node('lost'))).toBeUndefined()
  expect(await store.count(store.keys.placements('lost'))).toBe(0)
  // The refusal has cost no use.
  await join(token, 'found')
})

it('tells nobody without the secret what is wrong with a token', async () => {
  const { token } = await create()
  const real = parseToken(token)
  const wrong = formatToken({ ...real, secret: '0'.repeat(32) })
  const unknown = formatToken({ ...real, id: '00000000' })
  const messages = await Promise.all(
    [wrong, unknown].map((text, index) =>
      join(text, 'x', {}, `192.0.2.${50 + index}:1`).catch(({ code, message }) => `${code}: ${message}`),
    ),
  )
  expect(messages[0]).toContain('unauthenticated: this token is not known here')
  expect(messages[1]).toBe(messages[0])
})

it('takes no more wrong tokens than ten a minute from one address, and lets others in', async () => {
  const { token } = await create()
  const wrong = formatToken({ ...parseToken(token), secret: '1'.repeat(32) })
  await Promise.allSettled(
    Array.from({ length: 10 }, (_, index) => join(wrong, 'x', {}, `198.51.100.1:${1000 + index}`)),
  )
  await expect(join(wrong, 'x', {}, '198.51.100.1:9')).rejects.toMatchObject({ code: 'unavailable' })
  await expect(join(token, 'meanwhile', {}, '198.51.100.1:9')).rejects.toThrow('try again in')
  await join(token, 'meanwhile', {}, '198.51.100.2:9')
})

it('refuses a token that has expired, or was removed', async () => {
  const { token, record } = await create({ ttl: 60 })
  ahead = 61_000
  await expect(join(token, 'late')).rejects.toThrow('this token has expired at')
  ahead = 0
  const removed = await controller.tokens.remove(RemoveTokenRequest.create({ token }), callOf(cluster.admin))
  expect(removed).toMatchObject({ id: record?.id, hash: new Uint8Array() })
  await expect(join(token, 'late')).rejects.toThrow('this token is not known here')
  await expect(
    controller.tokens.remove(RemoveTokenRequest.create({ token: record?.id ?? '' }), callOf(cluster.admin)),
  ).rejects.toMatchObject({ code: 'not_found' })
})

it.each([
  [{ role: 'controller' }, 'is not a role that tokens give'],
  [{ role: 'admin', controlPlane: true }, 'a host of the control plane is a node'],
  [{ ttl: 31 * 86_400 }, '30 days'],
  [{ uses: 1001 }, '1000 times at most'],
  [{ description: 'two\nlines' }, 'one line'],
])('makes no token of %j', async (request, message) => {
  await expect(create(request)).rejects.toThrow(message)
})
