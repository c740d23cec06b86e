import { X509Certificate } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { authorityId } from '../../lib/pki/authorities.ts'
import { createKey, createRequest } from '../../lib/pki/issue.ts'
import { createSealingKey } from '../../lib/pki/sealing.ts'
import {
  ConfirmRequest,
  CreateTokenRequest,
  type Identity,
  JoinRequest,
  RenewRequest,
  RevokeRequest,
  RotateAuthorityRequest,
} from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { everyKey, registerNode, silent, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { removeNode } from '../nodes/remove.ts'
import {
  callOf,
  type ManagedCluster,
  managedCluster,
  noAccess,
  type TestController,
  type TestHost,
  textOf,
} from './authority-for-tests.ts'
import { revoke } from './revoke.ts'

let stores: TestStores
let cluster: ManagedCluster
let store: Store
let second: Store
let controller: TestController

beforeEach(async () => {
  stores = await testStores()
  cluster = await managedCluster()
  ;[store, second = store] = stores.open(2)
  controller = await cluster.start(store)
})
afterEach(async () => {
  await cluster[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

const admin = () => callOf(cluster.admin)
const newRequest = async () => createRequest(await createKey())
const status = () => controller.security.get({}, admin())
const states = async () => (await status()).authorities.map(({ id, state }) => `${id} ${state}`)
const read = async (identity: Identity) => (await store.get(store.keys.identity(identity.id)))?.value

async function joined(name: string): Promise<Identity> {
  const { token } = await controller.tokens.create(CreateTokenRequest.create({}), admin())
  const answer = await controller.enrolment.join(
    JoinRequest.create({ token, name, request: await newRequest() }),
    callOf(),
  )
  if (!answer.identity) throw new Error('no identity')
  return answer.identity
}

async function secondHost(): Promise<TestHost> {
  const { token } = await controller.tokens.create(CreateTokenRequest.create({ controlPlane: true }), admin())
  const pair = await createKey()
  const controlPlane = {
    host: '10.0.0.2',
    controllerRequest: await createRequest(pair),
    etcdServerRequest: await newRequest(),
    etcdPeerRequest: await newRequest(),
  }
  const request = JoinRequest.create({ token, name: 'host2', request: await newRequest(), controlPlane })
  const answer = await controller.enrolment.join(request, callOf())
  const granted = answer.controlPlane
  if (!granted?.identity) throw new Error('no grant')
  // Its agent is none of ours.
  await removeNode(store, { name: 'host2', force: false })
  const { controllerCertificate: certificate } = granted
  return cluster.hostOf(granted.identity, { certificate, key: pair.key, authorities: answer.authorities })
}

/** What an agent does once it has the new authorities. */
async function confirm(identity: Identity, authority = identity.authority) {
  const { authorities } = await status()
  const request = ConfirmRequest.create({ authorities: authorities.map(({ id }) => id) })
  const call = callOf(identity)
  await controller.enrolment.confirm(request, { ...call, caller: call.caller && { ...call.caller, authority } })
}

it('changes the authority of two controllers, a node and an admin, step by step', async () => {
  const host2 = await secondHost()
  const other = await cluster.start(second, host2)
  const node = await joined('n1')
  const [old = ''] = (await status()).authorities.map(({ id }) => id)

  const begun = await controller.security.rotateAuthority(RotateAuthorityRequest.create({}), admin())
  const fresh = begun.authorities[1]?.id ?? ''
  expect(await states()).toEqual([`${old} ACTIVE`, `${fresh} INTRODUCED`])
  // The controllers come to trust it by themselves, and say so.
  await until('the node and the admin to be the last', async () => (await status()).waitingFor.length === 2)
  expect((await status()).waitingFor.toSorted()).toEqual([
    'admin root does not trust the new authority yet: any overlayctl command as admin root does it',
    'node n1 does not trust the new authority yet',
  ])
  expect(textOf(host2.ca)).toBe(textOf(cluster.first.ca))
  expect(textOf(host2.ca).match(/BEGIN/g)).toHaveLength(2)
  expect((await store.get(store.keys.trust))?.value).toMatchObject({ authorities: textOf(host2.ca), active: old })

  await confirm(node)
  await confirm(cluster.admin)
  await until('it to be active', async () => (await states()).includes(`${fresh} ACTIVE`))
  await until('the controllers to be renewed', async () => {
    const records = await Promise.all([read(cluster.first.identity), read(host2.identity)])
    return records.every((record) => record?.authority === fresh)
  })
  for (const host of [cluster.first, host2])
    expect(authorityId(textOf(host.cert).split(/(?<=END CERTIFICATE-----\n)/)[1] ?? '')).toBe(fresh)
  expect((await status()).waitingFor.toSorted()).toEqual([
    'admin root still has a certificate of the old authority: any overlayctl command as admin root does it',
    'node n1 still has a certificate of the old authority',
  ])

  const renewed = await other.enrolment.renew(RenewRequest.create({ request: await newRequest() }), callOf(node))
  const issuer = new X509Certificate(renewed.certificate.split(/(?<=END CERTIFICATE-----\n)/)[1] ?? '')
  expect(new X509Certificate(renewed.certificate).verify(issuer.publicKey)).toBe(true)
  await controller.enrolment.renew(RenewRequest.create({ request: await newRequest() }), callOf(cluster.admin))
  // The answers may have been lost: until the new certificates are shown, the old ones have to do.
  expect(await read(node)).toMatchObject({ id: node.id, authority: old })
  await confirm(node, old)
  expect((await status()).waitingFor).toHaveLength(2)
  await confirm(node, fresh)
  expect(await states()).toEqual([`${old} RETIRING`, `${fresh} ACTIVE`])
  await confirm(cluster.admin, fresh)
  await until('the old one to be gone', async () => (await states()).join() === `${fresh} ACTIVE`)
  await until('the controllers to trust the new one only', () =>
    [host2, cluster.first].every(
      ({ ca }) => textOf(ca).match(/BEGIN/g)?.length === 1 && authorityId(textOf(ca)) === fresh,
    ),
  )
  expect((await status()).problems).toEqual([])
})

it('by force it goes on without those who do not answer', async () => {
  await joined('silent')
  const host2 = await secondHost()
  const [old] = await states()
  const rotate = (force: boolean) =>
    controller.security.rotateAuthority(RotateAuthorityRequest.create({ force }), admin())
  await rotate(false)
  await until('the controller to have confirmed', async () => (await status()).waitingFor.length === 3)
  // Asked again it tells how far it is.
  expect((await rotate(false)).waitingFor.toSorted()).toEqual([
    'admin root does not trust the new authority yet: any overlayctl command as admin root does it',
    'controller host2 does not trust the new authority yet',
    'node silent does not trust the new authority yet',
  ])
  // Its etcd and the others' would not know each other any more.
  await expect(rotate(true)).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(
      /^controller host2 does not trust .* no host of the control plane is left/,
    ) as string,
  })
  await controller.security.revoke(RevokeRequest.create({ identity: 'controller/host2' }), admin())
  expect(host2.identity.name).toBe('host2')
  expect((await rotate(true)).authorities.map(({ state }) => state)).toEqual(['RETIRING', 'ACTIVE'])
  await until('the controller to be renewed', async () => !(await status()).waitingFor.join().includes('controller'))
  expect((await rotate(true)).authorities.map(({ state }) => state)).toEqual(['ACTIVE'])
  expect(await states()).not.toContain(old)
  expect((await status()).problems).toContainEqual(expect.stringMatching(/^node silent does not know the authority/))
})

it('node rm takes the identity with the node, and one that has never registered', async () => {
  const [one, two] = [await joined('n1'), await joined('n2')]
  await registerNode(store, 'n1')
  const told: string[] = []
  const withdraw = async (identities: readonly Identity[]) => void told.push(...identities.map(({ id }) => id))
  await removeNode(store, { name: 'n1', force: false }, { withdraw })
  expect((await removeNode(store, { name: 'n2', force: false }, { withdraw })).node?.name).toBe('n2')
  expect(told).toEqual([one.id, two.id])
  expect([await read(one), await read(two)]).toEqual([undefined, undefined])
  await expect(removeNode(store, { name: 'n2', force: false })).rejects.toMatchObject({ code: 'not_found' })
  await expect(
    controller.enrolment.renew(RenewRequest.create({ request: await newRequest() }), callOf(one)),
  ).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('revokes persons, but not the last admin, and no nodes', async () => {
  await joined('n1')
  const { token } = await controller.tokens.create(CreateTokenRequest.create({ role: 'admin' }), admin())
  const withdraw = (identity: string, as?: Identity) =>
    controller.security.revoke(RevokeRequest.create({ identity }), callOf(as))
  await expect(withdraw('admin/root')).rejects.toThrow('root is the last admin')
  const { identity: ann } = await controller.enrolment.join(
    JoinRequest.create({ token, name: 'ann', request: await newRequest() }),
    callOf(),
  )
  if (!ann) throw new Error('no identity')
  await expect(withdraw('admin/ann', ann)).rejects.toThrow('this is your own identity')
  expect(await withdraw(cluster.admin.id.slice(0, 8), ann)).toEqual(cluster.admin)
  expect(await read(cluster.admin)).toBeUndefined()
  await expect(withdraw('node/n1', ann)).rejects.toThrow('overlayctl node rm n1')
  await expect(withdraw('controller/host1', ann)).rejects.toThrow('this very controller')
  await expect(withdraw('viewer/eve', ann)).rejects.toMatchObject({ code: 'not_found' })
  await expect(withdraw('x y', ann)).rejects.toMatchObject({ code: 'invalid' })
})

it('takes the etcd of a revoked controller out, unless the others need it', async () => {
  const { identity } = await secondHost()
  const asked: string[] = []
  let refusal = new OverlayError('failed_precondition', 'etcd on host2 stays')
  const removeMember = async (host: string) => {
    asked.push(host)
    throw refusal
  }
  const parts = { store, access: noAccess, self: cluster.first.identity, log: silent, removeMember }
  const take = () => revoke(parts, RevokeRequest.create({ identity: 'controller/host2' }), admin().caller)
  await expect(take()).rejects.toThrow('etcd on host2 stays')
  expect(await read(identity)).toEqual(identity)
  // It was taken out already.
  refusal = new OverlayError('not_found', 'etcd has no member host2')
  expect(await take()).toEqual(identity)
  expect([asked, await read(identity)]).toEqual([['host2', 'host2'], undefined])
})

it('starts with what the store has, and tells what does not fit', async () => {
  expect(existsSync(join(cluster.first.directory, 'first-authority.json'))).toBe(false)
  await controller.stop()
  const before = await everyKey(store)
  await (await cluster.start(store)).stop()
  expect((await everyKey(store)).filter((key) => !/leaders/.test(key))).toEqual(
    before.filter((key) => !/leaders/.test(key)),
  )
  const wrong = { sealing: { file: cluster.first.file, key: createSealingKey() } }
  await expect(cluster.start(store, cluster.first, wrong)).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining("it is not this cluster's sealing key") as string,
  })
  const [empty] = stores.open()
  await expect(cluster.start(empty)).rejects.toThrow('the store has no authority for this cluster')
  expect(await everyKey(empty)).toEqual([])
  writeFileSync(join(cluster.first.directory, 'first-authority.json'), '{"authorities":{}')
  await expect(cluster.start(empty)).rejects.toThrow('first-authority.json: it does not hold a first authority')
})

it('does not serve with a revoked identity', async () => {
  await controller.stop()
  await store.commit({
    compares: [],
    writes: [{ do: 'delete', path: store.keys.identity(cluster.first.identity.id).path }],
  })
  await expect(cluster.start(store)).rejects.toThrow('is not in the store: it was revoked')
})
