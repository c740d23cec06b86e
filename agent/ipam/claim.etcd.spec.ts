import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put, remove } from '../../store/store.ts'
import type { NetworkView } from '../state/view.ts'
import { type Claimant, claimantOf, giveBack, nodeRecord, openCluster, type TestCluster } from '../testing/cluster.ts'
import { claim } from './claim.ts'

let etcd: TestEtcd
let cluster: TestCluster
let network: NetworkView
let host: Claimant

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  network = await cluster.addNetwork('web')
  host = await claimantOf(cluster, 1, network)
})
afterEach(() => cluster.close())

const ips = (...texts: string[]) => texts.map(parseIp)

/** The claim must be refused, and not a key of the store be touched. */
async function refused(by: Claimant, wish: Parameters<Claimant['request']>[0] = {}): Promise<Error> {
  const before = await cluster.dump()
  const error: unknown = await claim(by.parts, by.request(wish)).then(
    ({ value }) => new Error(`it was not refused: ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  )
  expect(await cluster.dump()).toEqual(before)
  return error as Error
}

describe('claim', () => {
  it('writes everything at one revision, and release removes it all', async () => {
    const before = await cluster.held()
    const { value, revision } = await claim(host.parts, host.request({ name: 'db' }))
    const [address = ''] = value.addresses
    const made = (await cluster.dump()).filter((line) => line.endsWith(` ${revision}`))
    expect(made.map((line) => line.split(' ')[0])).toEqual([
      `addresses/web/${address}`,
      `endpoints/web/${value.id}`,
      `history/web/${address}/${value.createdAt}/${value.id}`,
      `macs/web/${value.mac}`,
      'names/web/db',
      `placements/host-1/web/${value.id}`,
    ])
    const { keys } = cluster.store
    expect(await cluster.store.get(keys.endpoint('web', value.id))).toMatchObject({ value, modRevision: revision })
    expect((await cluster.store.get(keys.address('web', parseIp(address))))?.value).toMatchObject({
      kind: 'ENDPOINT',
      endpointId: value.id,
      node: 'host-1',
    })
    await giveBack(host, { value, revision })
    expect(await cluster.held()).toEqual(before)
    expect(await cluster.paths()).toContain(`released/web/${address}`)
  })

  it('tells the journal who had each address, and until when', async () => {
    network = await cluster.addNetwork('dual', { subnets: ['10.0.8.0/24', 'fd00:8::/64'] })
    host = await claimantOf(cluster, 1, network)
    const claimed = await claim(host.parts, host.request({ name: 'db' }))
    const { id, mac, addresses, createdAt } = claimed.value
    const { keys } = cluster.store
    const tenures = async () => (await cluster.store.list(keys.history('dual'))).entries
    const holder = { endpointId: id, name: 'db', node: 'host-1', mac, claimedAt: createdAt }
    expect((await tenures()).map(({ value }) => value)).toEqual(
      addresses.map((address) => ({ address, ...holder, releasedAt: '', end: 'END_UNSPECIFIED' })),
    )
    const earliest = new Date().toISOString()
    await giveBack(host, claimed)
    const completed = await tenures()
    expect(completed.map(({ path }) => path)).toEqual(
      addresses.map((ip) => keys.tenure('dual', parseIp(ip), createdAt, id).path),
    )
    for (const { value } of completed) {
      expect(value).toMatchObject({ ...holder, end: 'DETACHED' })
      expect(value.releasedAt >= earliest && value.releasedAt <= new Date().toISOString()).toBe(true)
    }
    // Whoever has the address next has a line of his own.
    await claim(host.parts, host.request({ addresses: addresses.map(parseIp) }))
    expect(await tenures()).toHaveLength(4)
  })

  it('with a MAC that was asked for, and a priority', async () => {
    const record = { ...host.request().record, gwPriority: 7 }
    const { value } = await claim(host.parts, host.request({ mac: parseMac('02:42:0a:00:09:07'), record }))
    expect(value).toMatchObject({ mac: '02:42:0a:00:09:07', gwPriority: 7 })
  })

  it('of a network with two subnets gives an address of each, or those asked for', async () => {
    network = await cluster.addNetwork('dual', { subnets: ['10.0.8.0/24', 'fd00:8::/64'] })
    host = await claimantOf(cluster, 1, network)
    const first = await claim(host.parts, host.request())
    expect(first.value.addresses.map((ip) => ip.replace(/[^.:]*$/, ''))).toEqual([
      '10.0.8.',
      expect.stringMatching(/^fd00:8:/),
    ])
    const second = await claim(host.parts, host.request({ addresses: ips('fd00:8::7', '10.0.8.7') }))
    expect(second.value.addresses).toEqual(['10.0.8.7', 'fd00:8::7'])
  })

  it('several agents at once never give an address twice, and use every one', async () => {
    network = await cluster.addNetwork('small', { subnets: ['10.0.7.0/28'] })
    const hosts: Claimant[] = []
    for (const n of [1, 2, 3]) hosts.push(await claimantOf(cluster, n, network))
    const attempts = hosts.flatMap((each) => Array.from({ length: 8 }, () => claim(each.parts, each.request())))
    const results = await Promise.allSettled(attempts)
    const given = results.flatMap((result) => (result.status === 'fulfilled' ? result.value.value.addresses : []))
    const free = Array.from({ length: 13 }, (_, n) => `10.0.7.${n + 2}`)
    expect(given.toSorted()).toEqual(free.toSorted())
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
    expect(new Set(reasons.map(({ message }) => message))).toEqual(
      new Set([
        'small has no free address left in 10.0.7.0/28 (13 used, 1 reserved, 0 in quarantine); detach what is not needed, or grow the network (for example "overlayctl update small --subnet 10.0.7.0/27")',
      ]),
    )
    expect(await cluster.store.count(cluster.store.keys.endpoints('small'))).toBe(13)
    expect(await cluster.store.count(cluster.store.keys.addresses('small'))).toBe(14)
  })

  it('an exhausted network says when the next address is free', async () => {
    network = await cluster.addNetwork('tiny', { subnets: ['10.0.6.0/30'] })
    host = await claimantOf(cluster, 1, network)
    const only = await claim(host.parts, host.request())
    expect(await refused(host)).toMatchObject({ code: 'exhausted' })
    await giveBack(host, only)
    const error = await refused(host)
    expect(error).toMatchObject({ code: 'exhausted' })
    const [, freeAt = ''] =
      /\(0 used, 1 reserved, 1 in quarantine\); the next one is free at ([^\s;]+); /.exec(error.message) ?? []
    const seconds = (new Date(freeAt).getTime() - Date.now()) / 1000
    expect(seconds).toBeGreaterThan(59)
    expect(seconds).toBeLessThan(81)
    // Asked for by name it is had at once.
    const again = await claim(host.parts, host.request({ addresses: ips('10.0.6.2') }))
    expect(again.value.addresses).toEqual(['10.0.6.2'])
    expect(await cluster.store.count(cluster.store.keys.releasedAddresses('tiny'))).toBe(0)
  })

  it('an address that was given back is given last', async () => {
    network = await cluster.addNetwork('few', { subnets: ['10.0.5.0/29'] })
    host = await claimantOf(cluster, 1, network)
    const first = await claim(host.parts, host.request())
    await giveBack(host, first)
    const rest = []
    for (let n = 0; n < 4; n++) rest.push((await claim(host.parts, host.request())).value.addresses[0])
    expect(rest).not.toContain(first.value.addresses[0])
    expect(new Set(rest).size).toBe(4)
    expect(await refused(host)).toMatchObject({ code: 'exhausted' })
  })
})

describe('a refused claim touches no key, and says who has', () => {
  it('the address', async () => {
    const { value } = await claim(host.parts, host.request({ addresses: ips('10.0.9.7') }))
    const other = await claimantOf(cluster, 2, network)
    expect(await refused(other, { addresses: ips('10.0.9.7') })).toMatchObject({
      code: 'already_exists',
      message: `address 10.0.9.7 is taken in web by endpoint ${value.id} on node host-1: ask for another`,
    })
    expect(await refused(other, { addresses: ips('10.0.9.1') })).toMatchObject({
      code: 'already_exists',
      message: 'address 10.0.9.1 is taken in web by the gateway: ask for another',
    })
    expect(other.open.size).toBe(0)
  })

  it.each([
    [{ kind: 'AUXILIARY', name: 'router' } as const, 'the auxiliary address "router"'],
    [{ kind: 'RESERVATION', node: 'host-3' } as const, 'a reservation of node host-3'],
  ])('the address: %j', async (owner, text) => {
    const { keys } = cluster.store
    await cluster.store.commit({ compares: [], writes: [put(keys.address('web', parseIp('10.0.9.9')), owner)] })
    const error = await refused(host, { addresses: ips('10.0.9.9') })
    expect(error.message).toBe(`address 10.0.9.9 is taken in web by ${text}: ask for another`)
  })

  it('the name', async () => {
    const { value } = await claim(host.parts, host.request({ name: 'db' }))
    expect(await refused(await claimantOf(cluster, 2, network), { name: 'db' })).toMatchObject({
      code: 'already_exists',
      message: `name "db" is taken in web by endpoint ${value.id}: ask for another`,
    })
    const other = await cluster.addNetwork('other')
    const elsewhere = await claimantOf(cluster, 1, other)
    expect((await claim(elsewhere.parts, elsewhere.request({ name: 'db' }))).value.name).toBe('db')
  })

  it('the MAC', async () => {
    const mac = parseMac('02:42:0a:00:09:07')
    const { value } = await claim(host.parts, host.request({ mac }))
    expect(await refused(await claimantOf(cluster, 2, network), { mac })).toMatchObject({
      code: 'already_exists',
      message: `MAC 02:42:0a:00:09:07 is taken in web by endpoint ${value.id}: ask for another`,
    })
  })

  it('all that is taken, at once', async () => {
    network = await cluster.addNetwork('dual', { subnets: ['10.0.8.0/24', 'fd00:8::/64'] })
    const mac = parseMac('02:42:0a:00:09:07')
    const addresses = ips('10.0.8.7', 'fd00:8::7')
    host = await claimantOf(cluster, 1, network)
    const { id } = (await claim(host.parts, host.request({ name: 'db', mac, addresses }))).value
    const other = await claimantOf(cluster, 2, network)
    expect(await refused(other, { name: 'db', mac, addresses: ips('fd00:8::7', '10.0.8.1') })).toMatchObject({
      code: 'already_exists',
      message: `name "db" is taken in dual by endpoint ${id}; address 10.0.8.1 is taken in dual by the gateway; address fd00:8::7 is taken in dual by endpoint ${id} on node host-1; MAC ${mac} is taken in dual by endpoint ${id}: ask for another`,
    })
    expect(await refused(other, { mac, addresses: ips('10.0.8.7') })).toMatchObject({
      message: `address 10.0.8.7 is taken in dual by endpoint ${id} on node host-1; MAC ${mac} is taken in dual by endpoint ${id}: ask for another`,
    })
  })

  it('an evicted node claims and releases nothing', async () => {
    const claimed = await claim(host.parts, host.request())
    await cluster.store.commit({ compares: [], writes: [remove(cluster.store.keys.node('host-1'))] })
    const text = 'node host-1 was removed from the cluster; its agent registers anew by itself, then try again'
    expect(await refused(host)).toMatchObject({ code: 'failed_precondition', message: text })
    const before = await cluster.dump()
    await expect(giveBack(host, claimed)).rejects.toMatchObject({ code: 'conflict' })
    expect(await cluster.dump()).toEqual(before)
    // Even once another node of that name is there.
    await cluster.store.commit({ compares: [], writes: [put(cluster.store.keys.node('host-1'), nodeRecord(1))] })
    expect(await refused(host)).toMatchObject({ code: 'failed_precondition', message: text })
    await expect(giveBack(host, claimed)).rejects.toMatchObject({ code: 'conflict' })
  })

  it.each([
    [{ reason: 'disk failing', since: '2026-01-01T00:00:00Z' }, ' (disk failing, since 2026-01-01T00:00:00Z)'],
    [{}, ''],
  ])('a node that is drained %j, until it is not', async (drain, why) => {
    const { store } = cluster
    await store.commit({ compares: [], writes: [put(store.keys.drain('host-1'), { node: 'host-1', ...drain })] })
    expect(await refused(host)).toMatchObject({
      code: 'failed_precondition',
      message: `node host-1 is drained${why}, and takes up nothing new: "overlayctl node undrain host-1" ends that`,
    })
    const other = await claimantOf(cluster, 2, network)
    await claim(other.parts, other.request())
    await store.commit({ compares: [], writes: [remove(store.keys.drain('host-1'))] })
    await claim(host.parts, host.request())
  })

  it('a network that was removed', async () => {
    await cluster.removeNetwork(network)
    expect(await refused(host)).toMatchObject({ code: 'not_found', message: 'network web was removed' })
  })
})

describe('a network that changed meanwhile', () => {
  it('is claimed from as it is now', async () => {
    const { store } = cluster
    const entry = await store.get(store.keys.network('web'))
    const json = { ...entry?.json, mtu: 1300, qos: { burst: 5 } }
    const { path } = store.keys.network('web')
    await store.commit({ compares: [], writes: [{ do: 'put', path, value: JSON.stringify(json), lease: undefined }] })
    await claim(host.parts, host.request())
    expect(host.parts.network().mtu).toBe(1300)
    // What this version does not know is still there.
    expect((await store.get(store.keys.network('web')))?.json).toEqual(json)
  })

  it('that was made again under the same name is not mistaken for the old one', async () => {
    await cluster.removeNetwork(network)
    const anew = await cluster.addNetwork('web', { subnets: ['10.1.9.0/24'] })
    const { value } = await claim(host.parts, host.request())
    expect(value.networkUid).toBe(anew.uid)
    expect(value.addresses[0]).toMatch(/^10\.1\.9\./)
  })
})
