import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  ClustersService,
  type Event,
  EventsService,
  type HostRoute,
  type Init,
  NetworksService,
} from '../../proto/index.ts'
import { put, remove, type Write } from '../../store/store.ts'
import { claim, registerNode, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { type Served, serve } from '../served-for-tests.ts'

let stores: TestStores
let served: Served
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())
beforeEach(async () => {
  served = await serve(stores)
})
afterEach(async () => served[Symbol.asyncDispose]())

const networks = () => served.client.service(NetworksService)
const inspected = async (name: string) => (await networks().get({ name })).status?.warnings
const overall = async () => (await served.client.service(ClustersService).getStatus({})).warnings

async function create(name: string, cidr: string, more: { allowOverlap?: boolean } = {}) {
  const { network } = await networks().create({ name, subnets: [{ cidr }], mtu: 1450, ...more })
  if (!network) throw new Error('no network')
  return network
}

async function report(node: string, ...routes: Init<HostRoute>[]) {
  const { keys } = served.store
  await served.store.commit({ compares: [], writes: [put(keys.hostRoutesOf(node), { routes })] })
}

/** A watcher, and what it sees of warnings. */
function watch() {
  const seen: Event[] = []
  const ending = new AbortController()
  const ended = (async () => {
    for await (const event of served.client.service(EventsService).watch({}, { signal: ending.signal }))
      seen.push(event)
  })()
  const lines = () =>
    seen
      .filter(({ action }) => action === 'WARNED' || action === 'CLEARED')
      .map(({ action, network, message }) => `${action} ${network?.name} ${network?.subnets[0]?.cidr}: ${message}`)
  return { seen, lines, end: () => (ending.abort(), ended) }
}

/** One that is known to watch: it has been told something. */
async function watching() {
  const watcher = watch()
  let tries = 0
  await until('the watch', async () => {
    await create(`try${++tries}`, `10.1.${tries}.0/24`)
    return watcher.seen.length > 0
  })
  return watcher
}

it('a route that appears under a network is told in events, inspect and status, until it is gone', async () => {
  await create('web', '10.0.9.0/24')
  await create('lab', '10.0.8.0/24', { allowOverlap: true })
  const early = await watching()
  const route = { kind: 'ROUTE', cidr: '10.0.0.0/16', via: 'eth0' } as const
  await report('h2', route)
  const warned = 'subnet 10.0.9.0/24 overlaps route 10.0.0.0/16 (eth0) of node h2'
  await until('the warning', async () => (await inspected('web'))?.length === 1)
  expect(await inspected('web')).toEqual([expect.stringContaining(warned)])
  expect(await inspected('lab')).toEqual([])
  expect(await overall()).toEqual([expect.stringContaining(`network web: ${warned}`)])
  // Who comes late is told of what is so now, before anything else.
  const late = watch()
  for (const { lines } of [early, late]) {
    await until('the event', () => lines().length > 0)
    expect(lines()).toEqual([expect.stringContaining(`WARNED web 10.0.9.0/24: ${warned}`)])
  }
  expect(late.seen[0]?.action).toBe('WARNED')

  await served.store.commit({ compares: [], writes: [remove(served.store.keys.hostRoutesOf('h2'))] })
  for (const { lines } of [early, late]) {
    await until('the end of it', () => lines().length === 2)
    expect(lines()[1]).toContain(`CLEARED web 10.0.9.0/24: no longer: ${warned}`)
  }
  expect(await overall()).toEqual([])
  await Promise.all([early.end(), late.end()])
})

it('a network that is removed takes its warnings along', async () => {
  const { lines, end } = await watching()
  await create('web', '10.0.9.0/24')
  await report('h1', { kind: 'ADDRESS', cidr: '10.0.9.7/32', via: 'eth0' })
  await until('the warning', () => lines().length === 1)
  await networks().remove({ name: 'web' })
  await until('the end of it', () => lines().length === 2)
  expect(lines()[1]).toMatch(/^CLEARED web /)
  await end()
})

it('addresses that run out are told, also those that rest', async () => {
  const network = await create('web', '10.0.9.0/28')
  const { lines, end } = await watching()
  const endpoints = []
  for (let n = 2; n <= 13; n++) endpoints.push(await claim(served.store, network, 'n1', `10.0.9.${n}`))
  await until('the first warning', () => lines().length === 1)
  endpoints.push(await claim(served.store, network, 'n1', '10.0.9.14'))
  await until('the last warning', () => lines().length === 2)
  expect(lines()).toEqual([
    expect.stringContaining('WARNED web 10.0.9.0/28: 13 of the 14 addresses of subnet 10.0.9.0/28 are taken: 1 left'),
    expect.stringContaining('WARNED web 10.0.9.0/28: all 14 addresses of subnet 10.0.9.0/28 are taken: nothing more'),
  ])
  const { keys } = served.store
  const paths = (address: string) => ({
    owned: { ...keys.allAddresses, path: `${keys.addresses('web').prefix}${address}` },
    resting: { ...keys.allReleasedAddresses, path: `${keys.releasedAddresses('web').prefix}${address}` },
  })
  for (const { addresses } of endpoints) {
    const { owned, resting } = paths(addresses[0] ?? '')
    await served.store.commit({ compares: [], writes: [remove(owned), put(resting, { node: 'n1' })] })
  }
  await until(
    'the quarantine',
    async () => (await inspected('web'))?.[0]?.includes('13 of them in quarantine') === true,
  )
  for (const { addresses } of endpoints)
    await served.store.commit({ compares: [], writes: [remove(paths(addresses[0] ?? '').resting)] })
  await until('the end of it', () => lines().at(-1)?.startsWith('CLEARED web') === true)
  await end()
})

it('one detach of a full network is told once, as it is when all of it has been seen', async () => {
  const network = await create('web', '10.0.9.0/29')
  const { lines, end } = await watching()
  for (let n = 2; n <= 6; n++) await claim(served.store, network, 'n1', `10.0.9.${n}`)
  await until('the warning', () => lines().some((line) => line.includes('all 6 addresses')))
  const before = lines().length
  const { keys } = served.store
  const rest = { ...keys.allReleasedAddresses, path: `${keys.releasedAddresses('web').prefix}10.0.9.2` }
  const owned = { ...keys.allAddresses, path: `${keys.addresses('web').prefix}10.0.9.2` }
  await served.store.commit({ compares: [], writes: [remove(owned), put(rest, { node: 'n1' })] })
  await until('the quarantine', async () => (await inspected('web'))?.[0]?.includes('1 of them in quarantine') === true)
  // What came before it has been told by then.
  await create('full', '10.0.8.0/30')
  await claim(served.store, { ...network, name: 'full' }, 'n1', '10.0.8.2')
  await until('the other one', () => lines().some((line) => line.startsWith('WARNED full')))
  expect(lines().filter((line) => line.includes(' web '))).toHaveLength(before)
  await end()
})

it('packets that are too large for a node are told of, until all nodes carry them', async () => {
  await create('web', '10.0.9.0/24')
  await registerNode(served.store, 'n1', '192.0.2.1', 1500)
  const { lines, end } = await watching()
  await registerNode(served.store, 'n2', '192.0.2.2', 1400)
  await until('the warning', () => lines().some((line) => line.startsWith('WARNED web')))
  expect(await inspected('web')).toEqual([
    expect.stringMatching(/its MTU of 1450 is more than node n2 \(1350\) carries.*overlayctl update web --mtu 1350/),
  ])
  await networks().update({ name: 'web', mtu: 1350 })
  await until('the end of it', () => lines().some((line) => line.startsWith('CLEARED web')))
  expect(await inspected('web')).toEqual([])
  await served.store.commit({ compares: [], writes: [unreadable(served.store.keys.node('n3').path)] })
  expect(await inspected('web')).toEqual([])
  await end()
})

function unreadable(path: string): Write {
  return { do: 'put', path, value: 'garbage', lease: undefined }
}

it('a controller that starts finds what there is', async () => {
  const network = await create('web', '10.0.9.0/30')
  await claim(served.store, network, 'n1', '10.0.9.2')
  await report(
    'h1',
    { kind: 'RESOLVER', cidr: '10.0.9.2/32', via: '/etc/resolv.conf' },
    { kind: 'ROUTE', cidr: 'rubbish' },
  )
  await until('the warnings', async () => (await overall()).length === 2)
})
