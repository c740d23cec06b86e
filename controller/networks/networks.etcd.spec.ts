import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { overlaps, parseCidr } from '../../lib/ip.ts'
import { CreateNetworkRequest, type Init, ListNetworksRequest } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { claim, everyKey, registerNode, smallSpace, type TestStores, testStores } from '../cluster-for-tests.ts'
import { networkCreator } from './create.ts'
import { getNetwork, listNetworks } from './list.ts'
import { removeNetwork } from './remove.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const never = new AbortController().signal

function creator(store: Store, options = smallSpace) {
  const create = networkCreator(store, options)
  return async (init: Init<CreateNetworkRequest>) => {
    const { network, revision } = await create(CreateNetworkRequest.create({ mtu: 1450, ...init }), never)
    if (!network) throw new Error('no network')
    return { ...network, revision }
  }
}

const codeOf = (error: unknown) => OverlayError.from(error).code

describe('networkCreator', () => {
  it('writes the network, its VNI, the cursor and the gateways at once', async () => {
    const [store] = stores.open()
    const made = await creator(store)({ name: 'web', subnets: [{ cidr: '10.0.9.0/24' }, { cidr: 'fd00:9::/64' }] })
    expect(await everyKey(store)).toEqual(
      ['addresses/web/10.0.9.1', 'addresses/web/fd00:9::1', 'networks/web', 'vni-cursor', 'vnis/5000'].map(
        (key) => `${key} @${made.revision}`,
      ),
    )
    const owner = await store.get({
      ...store.keys.addresses('web'),
      path: `${store.keys.addresses('web').prefix}10.0.9.1`,
    })
    expect(owner?.value.kind).toBe('GATEWAY')
    expect((await store.get(store.keys.vniCursor))?.value.next).toBe(5001)
  })

  it('makes up names and takes subnets from the pool', async () => {
    const [store] = stores.open()
    const create = creator(store)
    const made = await Promise.all(Array.from({ length: 5 }, () => create({})))
    expect(new Set(made.map(({ name }) => name)).size).toBe(5)
    expect(made.map(({ subnets }) => subnets[0]?.cidr)).toEqual([0, 1, 2, 3, 4].map((n) => `10.64.${n}.0/24`))
    expect(made.map(({ vni }) => vni)).toEqual([5000, 5001, 5002, 5003, 5004])
  })

  it('tells the MTU from the smallest underlay', async () => {
    const [store] = stores.open()
    const create = creator(store)
    await expect(create({ mtu: 0 })).rejects.toThrow('--mtu')
    await registerNode(store, 'n1', '192.0.2.1', 9000)
    await registerNode(store, 'n2', '192.0.2.2', 1500)
    expect((await create({ mtu: 0 })).mtu).toBe(1450)
  })

  it('refuses without changing anything', async () => {
    const [store] = stores.open()
    const create = creator(store, { ...smallSpace, pools: [{ cidr: parseCidr('10.64.0.0/24'), size: 24 }] })
    await registerNode(store, 'n1', '192.0.2.1')
    await create({ name: 'web', subnets: [{ cidr: '10.64.0.0/24' }] })
    const before = await everyKey(store)
    const refused: [Init<CreateNetworkRequest>, string][] = [
      [{ name: 'web', subnets: [{ cidr: '10.1.0.0/24' }] }, 'network web exists already (10.64.0.0/24, VNI 5000)'],
      [{ name: 'b', subnets: [{ cidr: '10.64.0.0/16' }] }, 'overlaps 10.64.0.0/24 of network web'],
      [{ name: 'b', subnets: [{ cidr: '192.0.2.0/24' }] }, "overlaps 192.0.2.1/32 of node n1's VTEP"],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.7/24' }] }, 'did you mean 10.1.0.0/24?'],
      [{ name: 'b' }, 'no subnet is left in the pools'],
    ]
    for (const [request, why] of refused) await expect(create(request)).rejects.toThrow(why)
    expect(await everyKey(store)).toEqual(before)
  })

  it('gives a freed VNI last', async () => {
    const [store] = stores.open()
    const range = { min: smallSpace.vnis.min, max: 5002 as typeof smallSpace.vnis.max }
    const create = creator(store, { ...smallSpace, vnis: range })
    const vnis = [(await create({ name: 'a' })).vni]
    await removeNetwork(store, 'a')
    for (const name of ['b', 'c', 'd']) vnis.push((await create({ name })).vni)
    expect(vnis).toEqual([5000, 5001, 5002, 5000])
    await expect(create({ name: 'e' })).rejects.toThrow('all 3 VNIs')
  })

  it('lets exactly one of two overlapping creations win, on two controllers, fifty times', async () => {
    const [first, second] = stores.open(2)
    if (!second) throw new Error('no second store')
    const [one, two] = [creator(first), creator(second)]
    const pairs = Array.from({ length: 50 }, (_, n) => n)
    const outcomes = await Promise.all(
      pairs.map((n) =>
        Promise.allSettled([
          one({ name: `a${n}`, subnets: [{ cidr: `10.${n}.0.0/16` }] }),
          two({ name: n % 2 ? `a${n}` : `b${n}`, subnets: [{ cidr: `10.${n}.${n}.0/24` }] }),
        ]),
      ),
    )
    for (const pair of outcomes) {
      expect(pair.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const outcome of pair)
        if (outcome.status === 'rejected')
          expect(['failed_precondition', 'already_exists']).toContain(codeOf(outcome.reason))
    }
    const { networks } = await listNetworks(first, ListNetworksRequest.create())
    const subnets = networks.map(({ subnets }) => parseCidr(subnets[0]?.cidr ?? ''))
    expect(networks).toHaveLength(50)
    expect(subnets.some((a, at) => subnets.slice(at + 1).some((b) => overlaps(a, b)))).toBe(false)
    expect(new Set(networks.map(({ vni }) => vni)).size).toBe(50)
  })
})

describe('listNetworks, getNetwork', () => {
  it('gives pages, counts, endpoints', async () => {
    const [store] = stores.open()
    const create = creator(store)
    const [a] = await Promise.all([create({ name: 'a' }), create({ name: 'b' }), create({ name: 'c' })])
    const endpoints = [await claim(store, a, 'n2', '10.64.0.2'), await claim(store, a, 'n1', '10.64.0.3')]
    const first = await listNetworks(store, ListNetworksRequest.create({ pageSize: 2, withStatus: true }))
    expect(first.networks.map(({ name, status }) => [name, status?.endpointCount])).toEqual([
      ['a', 2],
      ['b', 0],
    ])
    const second = await listNetworks(
      store,
      ListNetworksRequest.create({ pageSize: 2, pageToken: first.nextPageToken }),
    )
    expect(second.networks.map(({ name }) => name)).toEqual(['c'])
    expect(second.nextPageToken).toBe('')
    const { status } = await getNetwork(store, 'a')
    expect(status?.nodes).toEqual(['n1', 'n2'])
    expect(status?.endpoints.map(({ id }) => id).toSorted()).toEqual(endpoints.map(({ id }) => id).toSorted())
    await expect(getNetwork(store, 'x')).rejects.toThrow('there is no network x')
    await expect(listNetworks(store, ListNetworksRequest.create({ pageToken: '../..' }))).rejects.toThrow('pageToken')
  })
})

describe('removeNetwork', () => {
  it('leaves nothing behind', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    await creator(store)({ name: 'web2' })
    const other = (await everyKey(store)).filter((key) => !/^(networks\/web|addresses\/web\/.*|vnis\/5000) /.test(key))
    expect((await removeNetwork(store, 'web')).uid).toBe(network.uid)
    expect(await everyKey(store)).toEqual(other)
    await expect(removeNetwork(store, 'web')).rejects.toThrow('there is no network web')
  })

  it('names the endpoints that are in the way, and changes nothing', async () => {
    const [store] = stores.open()
    const network = await creator(store)({ name: 'web' })
    for (let n = 2; n < 9; n++) await claim(store, network, 'n1', `10.64.0.${n}`, `c${n}`)
    const before = await everyKey(store)
    await expect(removeNetwork(store, 'web')).rejects.toThrow(
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
    await expect(removeNetwork(late, 'web')).rejects.toThrow('still has 1 endpoint:')
    expect((await getNetwork(store, 'web')).uid).toBe(network.uid)
  })
})
