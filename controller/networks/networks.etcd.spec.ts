import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { overlaps, parseCidr } from '../../lib/ip.ts'
import {
  CreateNetworkRequest,
  GetNetworkRequest,
  type Init,
  ListNetworksRequest,
  RemoveNetworkRequest,
} from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import {
  claim,
  detachingAgents,
  everyKey,
  noWarnings,
  registerNode,
  reportRoutes,
  smallSpace,
  type TestStores,
  testStores,
} from '../cluster-for-tests.ts'
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
  const create = networkCreator(store, { ...options, clusterUid: 'c' })
  return async (init: Init<CreateNetworkRequest>) => {
    const { network, revision } = await create(CreateNetworkRequest.create({ mtu: 1450, ...init }), never)
    if (!network) throw new Error('no network')
    return { ...network, revision }
  }
}

const drop = async (store: Store, name: string) =>
  (await removeNetwork(store, detachingAgents(store), RemoveNetworkRequest.create({ name }), never)).network

const get = (store: Store, name: string, maxEndpoints = 0) =>
  getNetwork(store, noWarnings, GetNetworkRequest.create({ name, maxEndpoints }))

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
    await reportRoutes(store, 'n1', '10.2.0.0/16')
    const before = await everyKey(store)
    const refused: [Init<CreateNetworkRequest>, string][] = [
      [{ name: 'web', subnets: [{ cidr: '10.1.0.0/24' }] }, 'network web exists already (10.64.0.0/24, VNI 5000)'],
      [{ name: 'b', subnets: [{ cidr: '10.64.0.0/16' }] }, 'overlaps 10.64.0.0/24 of network web'],
      [{ name: 'b', subnets: [{ cidr: '192.0.2.0/24' }] }, "overlaps 192.0.2.1/32 of node n1's VTEP"],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.7/24' }] }, 'did you mean 10.1.0.0/24?'],
      [{ name: 'b' }, 'no subnet is left in the pools'],
      [{ name: 'b', subnets: [{ cidr: '10.2.3.0/24' }] }, '10.2.0.0/16 of node n1 (route by tun0)'],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.0/24', ipRange: '10.2.0.0/25' }] }, 'ipRange: 10.2.0.0/25 is not in'],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.0/24', auxAddresses: { a: '10.1.0.1' } }] }, 'is the gateway already'],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.0/24' }], vni: 5000 }, 'VNI 5000 is that of network web'],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.0/24' }], vni: 2 ** 24 }, 'is not a VNI'],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.0/24' }], configFrom: 'x' }, 'there is no network x'],
      [{ name: 'b', subnets: [{ cidr: '10.1.0.0/24' }], ipv6: true, mtu: 1279 }, '1280 with IPv6'],
    ]
    for (const [request, why] of refused) {
      await expect(create(request)).rejects.toThrow(why)
      await expect(create({ ...request, dryRun: true })).rejects.toThrow(why)
    }
    expect(await everyKey(store)).toEqual(before)
  })

  it('writes nothing in a dry run', async () => {
    const [store] = stores.open()
    const made = await creator(store)({ name: 'web', dryRun: true, ipv6: true })
    expect(made).toMatchObject({ name: 'web', vni: 5000, revision: 0, subnets: [{ cidr: '10.64.0.0/24' }, {}] })
    expect(await everyKey(store)).toEqual([])
  })

  it('writes as many auxiliary addresses as there may be, and a VNI outside of the range, without the cursor', async () => {
    const [store] = stores.open()
    const many = (prefix: string) =>
      Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`a${n}`, `${prefix}${n + 16}`]))
    const network = await creator(store)({
      name: 'web',
      vni: 42,
      subnets: [
        { cidr: '10.0.9.0/24', auxAddresses: many('10.0.9.') },
        { cidr: 'fd00:9::/64', auxAddresses: many('fd00:9::') },
      ],
    })
    const keys = (await everyKey(store)).map((key) => key.split(' ')[0])
    expect(keys.filter((key) => !key?.startsWith('addresses/'))).toEqual(['networks/web', 'vnis/42'])
    const owners = await store.list(store.keys.addresses('web'))
    const aux = owners.entries.filter(({ value }) => value.kind === 'AUXILIARY')
    expect([owners.entries.length, aux.length]).toEqual([34, 32])
    expect(aux.find(({ path }) => path.endsWith('/10.0.9.18'))?.value.name).toBe('a2')
    expect(network.subnets[0]?.auxAddresses).toEqual(many('10.0.9.'))
    await drop(store, 'web')
    expect(await everyKey(store)).toEqual([])
  })

  it('lets exactly one of two have a VNI', async () => {
    const [first, second] = stores.open(2)
    if (!second) throw new Error('no second store')
    const outcomes = await Promise.allSettled([
      creator(first)({ name: 'a', vni: 42 }),
      creator(second)({ name: 'b', vni: 42 }),
    ])
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(refused.map(codeOf)).toEqual(['already_exists'])
    expect(String(refused[0])).toMatch(/VNI 42 is that of network [ab] already/)
  })

  it('gives a freed VNI last', async () => {
    const [store] = stores.open()
    const range = { min: smallSpace.vnis.min, max: 5002 as typeof smallSpace.vnis.max }
    const create = creator(store, { ...smallSpace, vnis: range })
    const vnis = [(await create({ name: 'a' })).vni]
    await drop(store, 'a')
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
    for (const node of ['n1', 'n2', 'n3']) await registerNode(store, node)
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
    const { status } = await get(store, a.uid.slice(0, 12))
    expect(status?.nodes).toEqual(['n1', 'n2'])
    expect(status?.endpoints.map(({ id }) => id).toSorted()).toEqual(endpoints.map(({ id }) => id).toSorted())
    expect(status?.usage).toMatchObject([{ cidr: '10.64.0.0/24', used: 2, reserved: 1, free: '251' }])
    const part = (await get(store, 'a', 1)).status
    expect([part?.endpointCount, part?.endpoints.length, part?.nodes]).toEqual([2, 1, ['n1', 'n2']])
    await expect(get(store, 'x')).rejects.toThrow('there is no network x')
    await expect(listNetworks(store, ListNetworksRequest.create({ pageToken: '../..' }))).rejects.toThrow('pageToken')
  })
})

describe('listNetworks with filters', () => {
  it('gives those that pass all', async () => {
    const [store] = stores.open()
    const create = creator(store)
    const [a, b] = [await create({ name: 'a', labels: { env: 'prod' } }), await create({ name: 'b' })]
    await create({ name: 'ab', labels: { env: 'test' } })
    await registerNode(store, 'n1', '192.0.2.1')
    await registerNode(store, 'n2', '192.0.2.2')
    const node = await store.get(store.keys.node('n1'))
    await claim(store, a, 'n1', '10.64.0.2')
    await claim(store, b, 'n2', '10.64.1.2')
    const names = async (...filters: string[]) =>
      (await listNetworks(store, ListNetworksRequest.create({ filters }))).networks.map(({ name }) => name)
    expect(await names()).toEqual(['a', 'ab', 'b'])
    expect(await names('name=a')).toEqual(['a', 'ab'])
    expect(await names('label=env', 'name=b')).toEqual(['ab'])
    expect(await names(`id=${b.uid.slice(0, 12)}`)).toEqual(['b'])
    expect(await names('node=n1')).toEqual(['a'])
    expect(await names('node=n1', 'node=n2')).toEqual(['a', 'b'])
    expect(await names(`node=${node?.value.uid.slice(0, 12)}`)).toEqual(['a'])
    expect(await names('dangling=true')).toEqual(['ab'])
    expect(await names('dangling=false', 'node=n2')).toEqual(['b'])
    expect(await names('until=1h')).toEqual([])
    await expect(names('node=n3')).rejects.toThrow('there is no node n3')
    await expect(names('nod=n3', 'until=x')).rejects.toThrow(/"nod=n3".*"until=x"/)
  })
})
