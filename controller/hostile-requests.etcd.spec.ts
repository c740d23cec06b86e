import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ErrorCode } from '../lib/errors.ts'
import type { RpcClient } from '../lib/rpc-client.ts'
import { EndpointsService, NetworksService, NodesService } from '../proto/index.ts'
import { everyKey, registerNode, type TestStores, testStores } from './cluster-for-tests.ts'
import { type Served, serve } from './served-for-tests.ts'

let stores: TestStores
let served: Served
let before: readonly string[]
beforeAll(async () => {
  stores = await testStores()
  served = await serve(stores)
  await registerNode(served.store, 'n1', '192.0.2.7')
  await served.client.service(NetworksService).create({ name: 'web', subnets: [{ cidr: '10.0.9.0/24' }], mtu: 1450 })
  before = (await everyKey(served.store)).filter((key) => !key.startsWith('controllers/'))
})
afterAll(async () => {
  await served[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

const vast = 'x'.repeat(3_000_000)
const times = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, value]))
const networks = (client: RpcClient) => client.service(NetworksService)
const endpoints = (client: RpcClient) => client.service(EndpointsService)
const aux = (auxAddresses: { [name: string]: string }) => [{ cidr: '10.1.0.0/16', auxAddresses }]

it.each<[string, (client: RpcClient) => Promise<unknown>, ErrorCode, string]>([
  ['a vast name', (to) => networks(to).create({ name: vast }), 'invalid', 'x…" is not a name'],
  ['a zero byte', (to) => networks(to).create({ name: 'a\0b' }), 'invalid', String.raw`"a\u0000b" is not a name`],
  ['a path', (to) => networks(to).get({ name: '../nodes/n1' }), 'invalid', '"../nodes/n1" is not a name'],
  ['a vast subnet', (to) => networks(to).create({ subnets: [{ cidr: `${vast}/8` }] }), 'invalid', 'x…" is not'],
  ['10,000 labels', (to) => networks(to).create({ labels: times(10_000, 'v') }), 'invalid', '10000 are too many'],
  [
    'a character across the end of what is shown',
    (to) => networks(to).create({ labels: { [`${'a'.repeat(79)}😀`]: '' } }),
    'invalid',
    `"${'a'.repeat(79)}…" is not a key`,
  ],
  [
    'faults without end',
    (to) => networks(to).create({ labels: times(64, '\0'), options: times(64, vast.slice(0, 9_000)) }),
    'invalid',
    'labels: the value of "k0" has control characters: leave them out; ',
  ],
  ['a field of all objects', (to) => networks(to).create({ labels: { ['__proto__']: '' } }), 'invalid', 'is not a key'],
  ['10,000 aux', (to) => networks(to).create({ subnets: aux(times(10_000, '10.1.0.7')) }), 'invalid', '10000 are too'],
  ['a vast token', (to) => networks(to).list({ pageToken: vast }), 'invalid', 'pageToken: not from an earlier'],
  [
    'filters without end',
    (to) => networks(to).list({ filters: Array<string>(300_000).fill('label=a') }),
    'invalid',
    'filters: 300000 are too many',
  ],
  [
    'families without end',
    (to) => networks(to).update({ name: 'web', removeIpRanges: Array.from({ length: 300_000 }, (_, n) => n + 9) }),
    'invalid',
    'removeIpRanges: 9 is no family',
  ],
  [
    'addresses without end',
    (to) => endpoints(to).attach({ network: 'web', node: 'n1', pid: 1, addresses: Array<string>(99_999).fill('1') }),
    'invalid',
    'addresses: "1" is not an IP address',
  ],
  ['a vast id', (to) => endpoints(to).get({ id: vast }), 'invalid', 'x…" is neither an endpoint id nor a name'],
  ['no node', (to) => to.service(NodesService).remove({ name: '', force: true }), 'invalid', '"" is not a name'],
])('%s is refused at once, in an answer of a sane length, and changes nothing', async (_, ask, code, message) => {
  const refused: unknown = await ask(served.client).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code, message: expect.stringContaining(message) })
  expect(refused instanceof Error && refused.message.length).toBeLessThan(13_000)
  expect((await everyKey(served.store)).filter((key) => !key.startsWith('controllers/'))).toEqual(before)
})
