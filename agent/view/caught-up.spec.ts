import { beforeEach, expect, it } from 'vitest'
import { pause } from '../../lib/retry.ts'
import { Endpoint, Network, Node } from '../../proto/index.ts'
import type { Entry, Listing, Range } from '../../store/store.ts'
import { keys } from '../testing/feeds.ts'
import { endpointOf, idOf, networkOf, viewOf } from '../testing/views.ts'
import { caughtUp } from './caught-up.ts'
import type { View } from './view.ts'

/** What the store has, by path. */
let stored: Map<string, Entry<unknown>>
let unreadable: string[]
let revision: number
let doubt: string | undefined
let reads: number
/** Called before each read. */
let onRead: () => unknown
let view: View

const entry = <T>(path: string, value: T, modRevision: number): Entry<T> => {
  return { path, value, json: {}, createRevision: modRevision, modRevision }
}
const keep = (one: Entry<unknown>) => stored.set(one.path, one)
const endpoint = (digits: string, modRevision = 20) =>
  entry(
    keys.endpoint('web', idOf(digits)).path,
    Endpoint.create({
      id: idOf(digits),
      network: 'web',
      node: 'host-2',
      mac: `02:00:00:00:00:${digits}`,
      addresses: ['10.0.9.9'],
      ifname: 'eth0',
    }),
    modRevision,
  )
const web = (modRevision = 10) =>
  entry(
    keys.network('web').path,
    Network.create({ name: 'web', vni: 7, mtu: 1450, subnets: [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1' }] }),
    modRevision,
  )
const node = (name: string, vtepAddress: string) => entry(keys.node(name).path, Node.create({ name, vtepAddress }), 5)

beforeEach(() => {
  stored = new Map()
  unreadable = []
  revision = 50
  doubt = undefined
  reads = 0
  onRead = () => undefined
  view = viewOf({ endpoints: [endpointOf('03', { node: 'host-2' })] })
  keep(web())
  keep(node('host-2', '192.0.2.2'))
  keep(endpoint('03'))
})

const list = async <T>({ prefix }: Range<T>): Promise<Listing<T>> => {
  reads++
  await onRead()
  const entries = [...stored.values()].filter(({ path }) => path.startsWith(prefix)) as Entry<T>[]
  return { entries, unreadable: unreadable.filter((path) => path.startsWith(prefix)), revision }
}
const caught = () =>
  caughtUp({
    store: { keys, list },
    view,
    sync: { followed: () => ['web'], isFollowed: () => true },
    guard: { holdsBack: () => doubt },
    signal: new AbortController().signal,
    mostLag: 150,
  })

it('reads each range once where the view has it all, or more', async () => {
  expect(await caught()).toBe(50)
  expect(reads).toBe(3)
  view.setNetwork(networkOf('db', { vni: 8, modRevision: 51 }))
  view.setEndpoint(endpointOf('03', { node: 'host-2', revision: 52 }))
  expect(await caught()).toBe(50)
})

it('waits until the view has what is new', async () => {
  keep(endpoint('04', 49))
  onRead = () => reads === 4 && view.setEndpoint(endpointOf('04', { node: 'host-2', revision: 49 }))
  expect(await caught()).toBe(50)
  expect(reads).toBeGreaterThan(3)
})

it('waits for the view as long when the store is slow', async () => {
  keep(endpoint('04', 49))
  onRead = async () => {
    await pause(100)
    if (reads === 4) view.setEndpoint(endpointOf('04', { node: 'host-2', revision: 49 }))
  }
  expect(await caught()).toBe(50)
})

it.each([
  ['a new endpoint', () => keep(endpoint('04', 49)), keys.endpoint('web', idOf('04')).path],
  ['a changed endpoint', () => keep(endpoint('03', 49)), keys.endpoint('web', idOf('03')).path],
  ['an endpoint that is gone', () => stored.delete(endpoint('03').path), keys.endpoint('web', idOf('03')).path],
  ['a changed network', () => keep(web(49)), keys.network('web').path],
  ['a network that is gone', () => stored.delete(web().path), keys.network('web').path],
  ['a new node', () => keep(node('host-3', '192.0.2.3')), keys.node('host-3').path],
  ["a node's new VTEP address", () => keep(node('host-2', '192.0.2.22')), keys.node('host-2').path],
] as const)('says so when the view does not come to have %s', async (_, change, path) => {
  change()
  await expect(caught()).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(`^this agent has not come to see ${path} as the store has it at revision 50`),
  })
  // A store that is not believed is not waited for.
  doubt = 'history went back'
  expect(await caught()).toBe(50)
})

it('does not wait for what cannot be used', async () => {
  keep(entry(keys.endpoint('web', idOf('05')).path, Endpoint.create({ id: idOf('05'), mac: 'no' }), 49))
  keep(node('host-4', 'nowhere'))
  stored.delete(endpoint('03').path)
  unreadable.push(endpoint('03').path)
  expect(await caught()).toBe(50)
})
