import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { overlaps, parseCidr } from '../../lib/ip.ts'
import { CreateNetworkRequest, type Init, Network, UpdateNetworkRequest } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import {
  claim,
  everyKey,
  registerNode,
  reportRoutes,
  smallSpace,
  type TestStores,
  testStores,
} from '../cluster-for-tests.ts'
import { networkCreator } from './create.ts'
import { networkUpdater } from './update.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const never = new AbortController().signal
const codeOf = (error: unknown) => OverlayError.from(error).code

function controller(store: Store) {
  const create = networkCreator(store, { ...smallSpace, clusterUid: 'c' })
  const update = networkUpdater(store)
  return {
    create: async (init: Init<CreateNetworkRequest>) =>
      Network.create((await create(CreateNetworkRequest.create({ mtu: 1450, ...init }), never)).network ?? {}),
    update: (init: Init<UpdateNetworkRequest>) => update(UpdateNetworkRequest.create({ name: 'web', ...init }), never),
  }
}

const web = { name: 'web', subnets: [{ cidr: '10.0.9.0/24' }], labels: { a: '1' } }
const grow = { subnets: [{ cidr: '10.0.8.0/23' }] }

describe('networkUpdater', () => {
  it('changes the record and nothing else, and says at which revision', async () => {
    const [store] = stores.open()
    const { create, update } = controller(store)
    const network = await create(web)
    await claim(store, network, 'n1', '10.0.9.2')
    const before = (await everyKey(store)).filter((key) => !key.startsWith('networks/'))
    const request = { ...grow, name: network.uid.slice(0, 12), labels: { b: '2' }, removeLabels: ['a'], mtu: 1400 }
    const answer = await update(request)
    expect(answer).toMatchObject({ changed: true, network: { uid: network.uid, mtu: 1400, labels: { b: '2' } } })
    expect(await everyKey(store)).toEqual(expect.arrayContaining([...before, `networks/web @${answer.revision ?? 0}`]))
    expect((await store.get(store.keys.network('web')))?.value).toEqual(Network.create(answer.network ?? undefined))
    expect(await store.count({ prefix: store.keys.prefix, type: null })).toBe(before.length + 1)
  })

  it('writes nothing when all is so already, and in a dry run', async () => {
    const [store] = stores.open()
    const { create, update } = controller(store)
    await create(web)
    const before = await everyKey(store)
    const [, network] = before.filter((key) => key.startsWith('networks/')).flatMap((key) => key.split('@'))
    expect(await update({ labels: { a: '1' }, mtu: 1450 })).toMatchObject({ changed: false, revision: Number(network) })
    expect(await update({})).toMatchObject({ changed: false })
    const would = await update({ ...grow, dryRun: true })
    expect(would).toMatchObject({ changed: true, revision: 0, network: { subnets: [{ cidr: '10.0.8.0/23' }] } })
    expect(await everyKey(store)).toEqual(before)
  })

  it('keeps fields of newer versions', async () => {
    const [store] = stores.open()
    const { create, update } = controller(store)
    await create(web)
    const key = store.keys.network('web')
    const there = await store.get(key)
    const value = JSON.stringify({ ...there?.json, later: { x: 1 } })
    await store.commit({ compares: [], writes: [{ do: 'put', path: key.path, value, lease: undefined }] })
    await update({ mtu: 1400 })
    expect((await store.get(key))?.json).toMatchObject({ later: { x: 1 }, mtu: 1400 })
  })

  it('refuses without changing anything', async () => {
    const [store] = stores.open()
    const { create, update } = controller(store)
    const network = await create(web)
    await create({ name: 'other', subnets: [{ cidr: '10.0.10.0/24' }] })
    await registerNode(store, 'n1', '10.0.11.1', 1500)
    await registerNode(store, 'n2', '192.0.2.2', 1400)
    await registerNode(store, 'n3', '192.0.2.3', 1300)
    await claim(store, network, 'n2', '10.0.9.2')
    await reportRoutes(store, 'n1', '10.0.8.128/25', '10.0.9.7/32')
    const before = await everyKey(store)
    const refused: [Init<UpdateNetworkRequest>, string, string][] = [
      [{ name: 'none', mtu: 1400 }, 'not_found', 'there is no network none'],
      [{ name: 'Web', mtu: 1 }, 'invalid', 'name: "Web" is not a name'],
      [{ name: 'Web', mtu: 1 }, 'invalid', 'mtu: 1 is out of range'],
      [{ subnets: [{ cidr: '10.0.9.0/25' }], mtu: 1 }, 'invalid', 'a subnet cannot shrink'],
      [{ subnets: [{ cidr: '10.0.9.0/25' }], mtu: 1 }, 'invalid', 'mtu: 1 is'],
      [{ subnets: [{ cidr: '10.0.0.0/16' }] }, 'failed_precondition', 'overlaps 10.0.10.0/24 of network other'],
      [{ subnets: [{ cidr: '10.0.0.0/16' }], allowOverlap: true }, 'failed_precondition', "of node n1's VTEP"],
      [
        grow,
        'failed_precondition',
        'overlaps 10.0.8.128/25 of node n1 (route by tun0): choose another subnet, or allow',
      ],
      [
        { mtu: 1400 },
        'failed_precondition',
        'mtu: 1400 is more than nodes that have the network carry: n2 (1350); name at most 1350',
      ],
      [
        { ...grow, mtu: 1400 },
        'failed_precondition',
        'route by tun0): choose another subnet, or allow it with --allow-overlap; mtu: 1400',
      ],
    ]
    for (const [request, code, message] of refused)
      for (const dryRun of [false, true])
        await expect(update({ ...request, dryRun })).rejects.toMatchObject({
          code,
          message: expect.stringContaining(message),
        })
    await expect(update(grow)).rejects.not.toThrow('10.0.9.7')
    expect(await everyKey(store)).toEqual(before)
    expect(await update({ ...grow, allowOverlap: true, mtu: 1350 })).toMatchObject({ network: { allowOverlap: true } })
  })

  it('asks the MTU of every node where the network is eager', async () => {
    const [store] = stores.open()
    const { create, update } = controller(store)
    await create({ ...web, eager: true })
    await registerNode(store, 'n1', '192.0.2.1', 1300)
    await registerNode(store, 'n2', '192.0.2.2', 1200)
    await expect(update({ mtu: 1400 })).rejects.toThrow('carry: n2 (1150), n1 (1250); name at most 1150')
    expect((await update({ mtu: 1150 })).network?.mtu).toBe(1150)
  })

  it.each([1, 101])('lets none of %d nodes that carry less get the network while the MTU is raised', async (count) => {
    const [store] = stores.open()
    const { create } = controller(store)
    const network = await create(web)
    for (let n = 1; n <= count; n++) await registerNode(store, `n${n}`, `192.0.2.${n}`, 1400)
    let attached = false
    const racing: Store = {
      ...store,
      async commit(transaction) {
        if (!attached) await claim(store, network, `n${count}`, '10.0.9.2')
        attached = true
        return store.commit(transaction)
      },
    }
    await expect(controller(racing).update({ mtu: 1440 })).rejects.toThrow(`network carry: n${count} (1350)`)
    expect((await store.get(store.keys.network('web')))?.value.mtu).toBe(1450)
  })

  it('loses no change of those made at the same time by two controllers', async () => {
    const [first, second] = stores.open(2)
    if (!second) throw new Error('no second store')
    const [one, two] = [controller(first), controller(second)]
    await one.create(web)
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 ? one : two).update({ labels: { [`k${n}`]: String(n) } })),
    )
    const labels = (await first.get(first.keys.network('web')))?.value.labels
    expect(labels).toEqual({
      a: '1',
      ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, String(n)])),
    })
  })

  it('lets one win of two that grow, or are made, into each other, twenty times', async () => {
    const [first, second] = stores.open(2)
    if (!second) throw new Error('no second store')
    const [one, two] = [controller(first), controller(second)]
    const rounds = Array.from({ length: 20 }, (_, n) => n)
    for (const n of rounds) {
      await one.create({ name: `a${n}`, subnets: [{ cidr: `10.${n}.0.0/24` }] })
      if (n % 2) await one.create({ name: `b${n}`, subnets: [{ cidr: `10.${n}.4.0/24` }] })
    }
    await Promise.all(
      rounds.map(async (n) => {
        const into = { subnets: [{ cidr: `10.${n}.0.0/16` }] }
        const pair = await Promise.allSettled([
          one.update({ name: `a${n}`, ...into }),
          n % 2
            ? two.update({ name: `b${n}`, subnets: [{ cidr: `10.${n}.4.0/22` }] })
            : two.create({ name: `b${n}`, subnets: [{ cidr: `10.${n}.7.0/24` }] }),
        ])
        expect(pair.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        for (const outcome of pair)
          if (outcome.status === 'rejected') expect(codeOf(outcome.reason)).toBe('failed_precondition')
      }),
    )
    const { entries } = await first.list(first.keys.networks)
    const subnets = entries.map(({ value }) => parseCidr(value.subnets[0]?.cidr ?? ''))
    expect(subnets.some((a, at) => subnets.slice(at + 1).some((b) => overlaps(a, b)))).toBe(false)
  })
})
