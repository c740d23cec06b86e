import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import {
  AddressHistoryRequest,
  type Endpoint,
  ReleaseAddressRequest,
  ShowIpamRequest,
  type ShowIpamResponse,
} from '../../proto/index.ts'
import { put, remove, type Write } from '../../store/store.ts'
import { type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { addressHistory } from './history.ts'
import { db, endpointOf, openIpam, type TestIpam } from './ipam-for-tests.ts'
import { releaseAddress } from './release.ts'
import { showIpam } from './show.ts'

let stores: TestStores
let ipam: TestIpam
let one: Endpoint
const ip = parseIp
const { signal } = new AbortController()
const nobody = 'f'.repeat(32)

beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())
beforeEach(async () => {
  ipam = await openIpam(stores)
  one = await ipam.attach({ node: 'n1', addresses: ['10.0.0.7', 'fd00:9::7'], name: 'one', id: '1'.repeat(32) })
})

const keysOf = () => ipam.store.keys
const release = (address: string, network = 'web') =>
  releaseAddress(ipam.parts, ReleaseAddressRequest.create({ network, address }), signal)
const show = (network = 'web') => showIpam(ipam.store, ShowIpamRequest.create({ network }))

function mapText({ subnets }: ShowIpamResponse, at = 0): string[] {
  return (subnets[at]?.runs ?? []).map(({ first, last, state }) =>
    first === last ? `${first} ${state}` : `${first}-${last} ${state}`,
  )
}

describe('showIpam', () => {
  it('shows neighbours of one state as one run, in order', async () => {
    for (const n of [8, 9, 200, 10]) await ipam.attach({ node: 'n2', addresses: [`10.0.0.${n}`, `fd00:9::${n}`] })
    const gone = await ipam.attach({ node: 'n2', addresses: ['10.0.0.11', 'fd00:9::ffff'] })
    await ipam.detach(gone)
    await ipam.write(
      put(keysOf().address('web', ip('10.0.1.0')), { kind: 'RESERVATION', node: 'n1' }),
      // What the record says holds, also where its key is missing; what is nowhere is not shown.
      remove(keysOf().address('web', ip('10.0.0.2'))),
      put(keysOf().address('web', ip('192.0.2.1')), { kind: 'GATEWAY' }),
    )
    const shown = await show()
    expect(mapText(shown)).toEqual([
      '10.0.0.1 GATEWAY',
      '10.0.0.2 AUXILIARY',
      '10.0.0.7-10.0.0.10 USED',
      '10.0.0.11 QUARANTINED',
      '10.0.0.200 USED',
      '10.0.1.0 RESERVED',
    ])
    expect(mapText(shown, 1)).toEqual([
      'fd00:9::1 GATEWAY',
      'fd00:9::7-fd00:9::9 USED',
      'fd00:9::10 USED',
      'fd00:9::200 USED',
      'fd00:9::ffff QUARANTINED',
    ])
    expect(shown.network?.name).toBe('web')
    expect(shown.subnets.map(({ usage }) => [usage?.used, usage?.reserved, usage?.quarantined, usage?.free])).toEqual([
      [5, 3, 1, '65525'],
      [5, 1, 1, String(2n ** 64n - 8n)],
    ])
  })

  it('finds the network by the beginning of its uid', async () => {
    expect(mapText(await show('bbb'))).toEqual(['10.1.0.1 GATEWAY'])
    await expect(show('nil')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('shows 50,000 endpoints in a moment', async () => {
    const writes: Write[] = Array.from({ length: 50_000 }, (_, n) =>
      put(keysOf().address('web', ip(`10.0.${4 + (n >> 8)}.${n & 255}`)), {
        kind: 'ENDPOINT',
        endpointId: n.toString(16).padStart(32, '0'),
        node: 'n1',
      }),
    )
    for (let at = 0; at < writes.length; at += 1_280)
      await Promise.all(
        Array.from({ length: 10 }, (_, step) => ipam.write(...writes.slice(at + step * 128, at + (step + 1) * 128))),
      )
    const started = performance.now()
    const shown = await show()
    const milliseconds = performance.now() - started
    expect(mapText(shown).at(-1)).toBe('10.0.4.0-10.0.199.79 USED')
    expect(shown.subnets[0]?.usage?.used).toBe(50_001)
    // Half a second on one core; a slow machine is no other order of growth.
    expect(milliseconds).toBeLessThan(5_000)
  })
})

describe('releaseAddress', () => {
  it.each<[string, () => readonly Write[], string, RegExp]>([
    [
      'in quarantine',
      () => [put(keysOf().releasedAddress('web', ip('10.0.0.9')), { freeAt: '2026-01-01T00:00:00Z' })],
      '10.0.0.9',
      /^in quarantine until 2026-01-01T00:00:00Z$/,
    ],
    [
      'reserved',
      () => [
        put(keysOf().address('web', ip('10.0.0.9')), {
          kind: 'RESERVATION',
          node: 'n1',
          expiresAt: '2999-01-01T00:00:00Z',
        }),
      ],
      '10.0.0.9',
      /^reserved by node n1 until 2999-01-01T00:00:00Z$/,
    ],
    [
      'owned by an endpoint that is not there',
      () => [
        put(keysOf().address('web', ip('fd00:9::9')), { kind: 'ENDPOINT', endpointId: nobody }),
        put(keysOf().releasedAddress('web', ip('fd00:9::9')), {}),
      ],
      'FD00:9:0::9',
      /^owned by endpoint f{32}, which is not there$/,
    ],
    [
      'owned by an endpoint that has it not',
      () => [put(keysOf().address('web', ip('10.0.0.9')), { kind: 'ENDPOINT', endpointId: one.id })],
      '10.0.0.9',
      /^owned by endpoint 1{32}, which does not have it$/,
    ],
    [
      'an old gateway',
      () => [put(keysOf().address('web', ip('10.0.0.9')), { kind: 'GATEWAY' })],
      '10.0.0.9',
      /^kept as the gateway, which the network has not there$/,
    ],
  ])('frees what is %s', async (_, before, address, was) => {
    const clean = await ipam.keys()
    await ipam.write(...before())
    expect((await release(address)).was).toMatch(was)
    expect(await ipam.keys()).toEqual(clean)
    await expect(release(address)).rejects.toMatchObject({
      code: 'not_found',
      message: `address ${ip(address)} of network web is free: there is nothing to release`,
    })
    await ipam.attach({ node: 'n1', addresses: [ip(address)] })
  })

  it.each([
    [
      '10.0.0.7',
      'failed_precondition',
      /in use by endpoint 1{32} \(one\) on node n1: detach it \(overlayctl detach --node n1 1{32}\)/,
    ],
    ['10.0.0.1', 'failed_precondition', /10\.0\.0\.1 is the gateway of network web/],
    ['10.0.0.2', 'failed_precondition', /10\.0\.0\.2 is the auxiliary address "router" of network web/],
    ['10.1.0.9', 'invalid', /10\.1\.0\.9 is not in network web: its addresses are in 10\.0\.0\.0\/16 and fd00:9::\/64/],
    ['10.0.0.300', 'invalid', /address: "10\.0\.0\.300" is not an IP address/],
  ])('refuses %s: %s, and changes nothing', async (address, code, message) => {
    const before = await ipam.keys()
    await expect(release(address)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await ipam.keys()).toEqual(before)
  })

  it('names all faults of the request, and a network that is not there', async () => {
    await expect(release('x', 'No')).rejects.toThrow(/network: .*; address: /)
    await expect(release('10.0.0.9', 'nil')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('takes nothing from an endpoint that comes meanwhile', async () => {
    await ipam.write(put(keysOf().address('web', ip('10.0.0.9')), { kind: 'ENDPOINT', endpointId: nobody }))
    const late = endpointOf({ node: 'n1', addresses: ['10.0.0.9'], id: nobody })
    let came = false
    const racing = {
      ...ipam.store,
      commit: async (transaction: Parameters<typeof ipam.store.commit>[0]) => {
        if (!came) await ipam.write(put(keysOf().endpoint('web', nobody), late))
        came = true
        return ipam.store.commit(transaction)
      },
    }
    const request = ReleaseAddressRequest.create({ network: 'web', address: '10.0.0.9' })
    await expect(releaseAddress({ ...ipam.parts, store: racing }, request, signal)).rejects.toMatchObject({
      code: 'failed_precondition',
    })
    expect(await ipam.store.get(keysOf().address('web', ip('10.0.0.9')))).toBeDefined()
  })

  it('ends the tenure of an owner that is not there', async () => {
    await ipam.write(remove(keysOf().endpoint('web', one.id)))
    await release('10.0.0.7')
    const { tenures } = await addressHistory(ipam.store, AddressHistoryRequest.create({ address: '10.0.0.7' }))
    expect(tenures.map(({ tenure }) => tenure?.end)).toEqual(['REPAIRED'])
  })
})

describe('addressHistory', () => {
  const history = async (address: string, network = '') => {
    const { tenures } = await addressHistory(ipam.store, AddressHistoryRequest.create({ address, network }))
    return tenures.map(
      ({ network: of, tenure }) => `${of} ${tenure?.name || tenure?.endpointId.slice(0, 4)} ${tenure?.end}`,
    )
  }

  it('names who held the address, the last one first, in one network or all', async () => {
    await ipam.detach(one)
    await until('the clock to go on', () => new Date().toISOString() > one.createdAt)
    await ipam.attach({ node: 'n2', addresses: ['10.0.0.7'], name: 'two' })
    await ipam.attach({ node: 'n2', addresses: ['10.0.0.7'], name: 'elsewhere', network: db })
    expect(await history('10.0.0.7', 'web')).toEqual(['web two END_UNSPECIFIED', 'web one DETACHED'])
    expect(await history('10.0.0.7', 'aaaa')).toHaveLength(2)
    expect(await history('10.0.0.7')).toEqual([
      'db elsewhere END_UNSPECIFIED',
      'web two END_UNSPECIFIED',
      'web one DETACHED',
    ])
    expect(await history('fd00:9:0::7')).toEqual(['web one DETACHED'])
    // Not of those that only begin alike.
    expect(await history('10.0.0.70')).toEqual([])
  })

  it('refuses what is no address, or no network', async () => {
    await expect(history('web')).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/^address: /),
    })
    await expect(history('10.0.0.7', 'nil')).rejects.toMatchObject({ code: 'not_found' })
  })
})
