import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { CreateNetworkRequest, type Init, Network, RemoveNetworkRequest } from '../../proto/index.ts'
import { put, type Store } from '../../store/store.ts'
import {
  claim,
  detachingAgents,
  everyKey,
  registerNode,
  smallSpace,
  startSession,
  type TestStores,
  testStores,
} from '../cluster-for-tests.ts'
import type { Agents } from '../endpoints/detach-each.ts'
import { networkCreator } from './create.ts'
import { removeNetwork } from './remove.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const never = new AbortController().signal

function creator(store: Store) {
  const create = networkCreator(store, { ...smallSpace, clusterUid: 'c' })
  return async (init: Init<CreateNetworkRequest>) =>
    Network.create((await create(CreateNetworkRequest.create({ mtu: 1450, ...init }), never)).network ?? {})
}

const remove = (store: Store, agents: Agents, init: Init<RemoveNetworkRequest>, signal = never) =>
  removeNetwork(store, agents, RemoveNetworkRequest.create(init), signal)
const drop = async (store: Store, name: string) => (await remove(store, detachingAgents(store), { name })).network

describe('removeNetwork', () => {
  it('leaves nothing behind', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    await creator(store)({ name: 'web2' })
    const other = (await everyKey(store)).filter((key) => !/^(networks\/web|addresses\/web\/.*|vnis\/5000) /.test(key))
    const tenure = store.keys.tenure('web', parseIp('10.64.0.2'), '2026-01-01T00:00:00Z', 'e')
    await store.commit({ compares: [], writes: [put(tenure, { address: '10.64.0.2' })] })
    expect((await drop(store, network.uid.slice(0, 12)))?.uid).toBe(network.uid)
    expect(await everyKey(store)).toEqual(other)
    await expect(drop(store, 'web')).rejects.toThrow('there is no network web')
  })

  it('names the endpoints that are in the way, and changes nothing', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    for (let n = 2; n < 9; n++) await claim(store, network, 'n1', `10.64.0.${n}`, `c${n}`)
    const before = await everyKey(store)
    await expect(drop(store, 'web')).rejects.toThrow(
      /network web still has 7 endpoints: ([0-9a-f]{32} \(c\d\) on n1, ){4}[0-9a-f]{32} \(c\d\) on n1 and 2 more; detach/,
    )
    expect(await everyKey(store)).toEqual(before)
  })

  it('is refused when an endpoint is claimed meanwhile', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    const late: Store = {
      ...store,
      commit: async (transaction) => {
        await claim(store, network, 'n1', '10.64.0.2')
        return store.commit(transaction)
      },
    }
    await expect(drop(late, 'web')).rejects.toThrow('still has 1 endpoint:')
    expect((await store.get(store.keys.network('web')))?.value.uid).toBe(network.uid)
  })
})

describe('removeNetwork, forced', () => {
  it('detaches all endpoints first, and leaves nothing behind', async () => {
    const [store] = stores.open()
    await creator(store)({ name: 'other' })
    const before = await everyKey(store)
    const network = await creator(store)({ name: 'web' })
    for (let n = 2; n < 42; n++) await claim(store, network, `n${n % 2}`, `10.64.1.${n}`, `c${n}`)
    const agents = detachingAgents(store, 'n0', 'n1')
    const { network: was, detachedEndpoints } = await remove(store, agents, { name: 'web', force: true })
    expect([was?.uid, detachedEndpoints, new Set(agents.asked).size]).toEqual([network.uid, 40, 40])
    const cursor = (keys: readonly string[]) => keys.filter((key) => !key.startsWith('vni-cursor'))
    expect(cursor(await everyKey(store))).toEqual(cursor(before))
  })

  it('detaches nothing when an agent is not there, and names node and endpoints', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    for (const node of ['n1', 'n2', 'n3']) await registerNode(store, node)
    await startSession(store, 'n3')
    await claim(store, network, 'n1', '10.64.0.2')
    const dead = await claim(store, network, 'n2', '10.64.0.3', 'db')
    const before = await everyKey(store)
    const agents = detachingAgents(store, 'n1')
    const force = { name: 'web', force: true }
    await expect(remove(store, agents, force)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: `network web has endpoints that cannot be detached: ${dead.id} (db) on node n2, which is not alive: start its agent, or remove the node (overlayctl node rm n2). Nothing was detached`,
    })
    expect(await everyKey(store)).toEqual(before)
    const alive = await claim(store, network, 'n3', '10.64.0.4')
    await expect(remove(store, detachingAgents(store, 'n1', 'n2'), force)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`${alive.id} on node n3, which is alive, but has no connection`),
    })
    await expect(remove(store, agents, force)).rejects.toThrow(
      /on node n2, which is not alive.*on node n3, which is alive/,
    )
    await claim(store, network, 'gone', '10.64.0.5')
    await expect(remove(store, detachingAgents(store, 'n1', 'n2', 'n3'), force)).rejects.toThrow('being removed')
    expect(agents.asked).toEqual([])
    await expect(remove(store, agents, { name: 'none', force: true })).rejects.toThrow('there is no network none')
  })

  it('tells how far it came when an agent fails, and comes to the end when tried again', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    for (let n = 2; n < 42; n++) await claim(store, network, 'n1', `10.64.0.${n}`)
    const agents = detachingAgents(store, 'n1')
    let left = 20
    const failing: Agents = {
      ...agents,
      ask: async (node, question) => {
        if (left-- > 0) return agents.ask(node, question)
        throw new OverlayError('unavailable', 'the connection to the agent of node n1 was lost', { retryAfter: 1_700 })
      },
    }
    await expect(remove(store, failing, { name: 'web', force: true })).rejects.toMatchObject({
      retryAfter: 1_700,
      message: expect.stringMatching(
        /^network web stays, with 20 of 40 endpoints detached: endpoint [0-9a-f]{32} on n1: the connection .* was lost[; ]/,
      ),
    })
    expect(await store.count(store.keys.endpoints('web'))).toBe(20)
    expect((await remove(store, agents, { name: 'web', force: true })).detachedEndpoints).toBe(20)
  })

  it('detaches nothing when a record cannot be read, and names its key', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    for (let n = 2; n < 5; n++) await claim(store, network, 'n1', `10.64.0.${n}`)
    const { path } = store.keys.endpoint('web', 'a'.repeat(32))
    const agents = detachingAgents(store, 'n1')
    await store.commit({ compares: [], writes: [{ do: 'put', path, value: 'garbage', lease: undefined }] })
    const refused = { code: 'failed_precondition', message: expect.stringContaining(`(etcdctl del ${path})`) }
    await expect(remove(store, agents, { name: 'web', force: true })).rejects.toMatchObject(refused)
    await expect(remove(store, agents, { name: 'web' })).rejects.toMatchObject(refused)
    expect(agents.asked).toEqual([])
    await store.commit({ compares: [], writes: [{ do: 'delete', path }] })
    expect((await remove(store, agents, { name: 'web', force: true })).detachedEndpoints).toBe(3)
  })

  it('goes on when a key of an address cannot be read', async () => {
    const [store] = stores.open()
    await creator(store)({ name: 'web' })
    const path = `${store.keys.addresses('web').prefix}notanip`
    await store.commit({ compares: [], writes: [{ do: 'put', path, value: 'garbage', lease: undefined }] })
    await drop(store, 'web')
    expect(await store.get<null>({ path, type: null })).toBeUndefined()
  })

  it('names an endpoint that its agent does not know, and asks again only a few times', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    const lost = await claim(store, network, 'n1', '10.64.0.2', 'lost')
    const agents = detachingAgents(store, 'n1')
    let asked = 0
    const forgetful = (times: number): Agents => ({
      ...agents,
      ask: async (node, question) => {
        if (asked++ >= times) return agents.ask(node, question)
        throw new OverlayError('not_found', 'there is no such endpoint')
      },
    })
    await expect(remove(store, forgetful(100), { name: 'web', force: true })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(
        new RegExp(`0 of 1 endpoints detached: endpoint ${lost.id} \\(lost\\) is on node n1 .*overlayctl ipam check`),
      ),
    })
    expect(asked).toBe(4)
    asked = 0
    expect((await remove(store, forgetful(2), { name: 'web', force: true })).detachedEndpoints).toBe(1)
  })

  it('also detaches what is attached meanwhile, for a few rounds', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    await claim(store, network, 'n1', '10.64.0.2')
    const agents = detachingAgents(store, 'n1')
    let more = 0
    const busy = (limit: number): Store => ({
      ...store,
      commit: async (transaction) => {
        if (more++ < limit) await claim(store, network, 'n1', `10.64.0.${more + 2}`)
        return store.commit(transaction)
      },
    })
    await expect(remove(busy(Infinity), agents, { name: 'web', force: true })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(
        'being attached to, or changed, by others all the time (10 endpoints were detached)',
      ),
    })
    more = 0
    expect((await remove(busy(3), agents, { name: 'web', force: true })).detachedEndpoints).toBe(4)
  })

  it('is not done to another network of the same name', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    const swapping: Store = {
      ...store,
      commit: async (transaction) => {
        await drop(store, 'web')
        await creator(store)({ name: 'web' })
        return store.commit(transaction)
      },
    }
    await expect(remove(swapping, detachingAgents(store), { name: network.uid, force: true })).rejects.toThrow(
      'network web was removed by somebody else meanwhile',
    )
    expect(await store.get(store.keys.network('web'))).toBeDefined()
  })
})
