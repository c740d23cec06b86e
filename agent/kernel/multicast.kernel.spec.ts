import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import type { FloodEntry, Item } from '../state/item.ts'
import { run, type TestHost, TestHosts } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
const network = testNetwork('web', 9, '192.0.2.1')
const { vxlan } = network
const floodTo = (vtep: string): FloodEntry => ({ kind: 'flood-entry', dev: vxlan.name, vtep: parseIp(vtep) })

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  await host.put(...network.items)
})
afterEach(() => hosts.close())

const floodState = async () => (await host.state()).match(/vtep=[\d.]+|floods=.*/g)
const portFlags = async () =>
  (await run(host, `bridge -d link show dev ${vxlan.name}`)).match(/\w*(flood|suppress|learning) \w+/g)

test('an entry for each VTEP comes and goes by itself, and may be put again', async () => {
  const vteps = ['192.0.2.2', '192.0.2.3', '192.0.2.4']
  for (let times = 0; times < 2; times++)
    expect((await host.put(...vteps.map(floodTo))).every((result) => result.ok)).toBe(true)
  expect((await floodState())?.toSorted()).toEqual(['floods=false', ...vteps.map((vtep) => `vtep=${vtep}`)])
  for (let times = 0; times < 2; times++)
    expect(await host.remove(floodTo('192.0.2.3'))).toEqual([{ ok: true, rebuilt: false }])
  expect((await floodState())?.toSorted()).toEqual(['floods=false', 'vtep=192.0.2.2', 'vtep=192.0.2.4'])
  await host.remove(floodTo('192.0.2.2'), floodTo('192.0.2.4'))
  expect(await run(host, `bridge fdb show dev ${vxlan.name}`)).not.toContain('00:00:00:00:00:00')
  expect(await host.put(floodTo('192.0.2.2'), { ...floodTo('192.0.2.2'), dev: 'ovvx1' })).toMatchObject([
    { ok: true },
    { ok: false, error: { message: 'there is no link ovvx1' } },
  ])
})

test('many go in batches, and go with the device', async () => {
  const entries = Array.from({ length: 500 }, (_, at): Item => floodTo(`198.51.${100 + (at >> 8)}.${at & 255}`))
  expect((await host.put(...entries)).every((result) => result.ok)).toBe(true)
  expect((await host.state()).match(/^flood-entry/gm)).toHaveLength(500)
  await host.remove(...entries.slice(0, 499))
  expect((await host.state()).match(/^flood-entry/gm)).toHaveLength(1)
  await host.remove(vxlan)
  expect(await host.state()).not.toContain('flood-entry')
})

test('the port floods what is for all, not what is for an unknown MAC, and changes in place', async () => {
  const silent = await portFlags()
  expect(await host.put({ ...vxlan, floods: true })).toEqual([{ ok: true, rebuilt: false }])
  expect(await portFlags()).toEqual([
    'learning off',
    'flood off',
    'mcast_flood on',
    'bcast_flood on',
    'neigh_suppress on',
  ])
  expect(await floodState()).toEqual(['floods=true'])
  await run(host, `bridge link set dev ${vxlan.name} mcast_flood off`)
  expect(await floodState()).toEqual(['floods=true faults=mcast_flood 0 not 1'])
  await run(host, `bridge link set dev ${vxlan.name} mcast_flood on`)
  expect(await host.put(vxlan)).toEqual([{ ok: true, rebuilt: false }])
  expect(await portFlags()).toEqual(silent)
  expect(await floodState()).toEqual(['floods=false'])
})
