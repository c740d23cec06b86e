import { describe, expect, it } from 'vitest'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { createKeys } from '../../store/keys.ts'
import type { Entry, Listing, Range } from '../../store/store.ts'
import { networkOf } from '../testing/views.ts'
import { checkRequested, createAddressPool } from './address-pool.ts'

/** A pool over a /29, 10.0.9.1 being the gateway; free are .2 to .6. */
function poolOf(subnets = ['10.0.9.0/29']) {
  const keys = createKeys('/t/')
  const owned = new Map<string, object>([['10.0.9.1', { kind: 'GATEWAY' }]])
  const resting = new Map<string, { freeAt: string }>()
  const seen = new Set<string>()
  const clock = { now: 1_000 }
  let lists = 0
  const listing = <T>(prefix: string, values: ReadonlyMap<string, object>): Listing<T> => ({
    entries: Array.from(values, ([address, value]) => ({ path: `${prefix}${address}`, value }) as unknown as Entry<T>),
    revision: 1,
  })
  const store = {
    keys,
    list: async <T>({ prefix }: Range<T>) => {
      lists++
      return listing<T>(prefix, prefix.includes('/released/') ? resting : owned)
    },
  }
  const pool = createAddressPool({
    store,
    node: 'host-1',
    ownerOf: (_, ip) => (seen.has(ip) ? 'someone' : undefined),
    now: () => clock.now,
  })
  const network = networkOf('web', { subnets })
  return {
    pool,
    network,
    owned,
    resting,
    seen,
    clock,
    lists: () => lists,
    choose: async (attempt = 0, requested: readonly string[] = []) =>
      (await pool.choose(network, requested.map(parseIp), attempt)).join(' '),
  }
}

const hosts = ['10.0.9.2', '10.0.9.3', '10.0.9.4', '10.0.9.5', '10.0.9.6']

describe('choose', () => {
  it('goes by the view, without the store, and never gives the gateway', async () => {
    const { choose, lists } = poolOf()
    const chosen = await Promise.all(Array.from({ length: 10 }, () => choose()))
    expect(new Set(chosen)).toEqual(new Set(hosts))
    expect(lists()).toBe(0)
  })

  it('passes over what has an owner in the view', async () => {
    const { choose, seen, lists } = poolOf()
    for (const ip of hosts.slice(0, 4)) seen.add(ip)
    expect(await choose()).toBe('10.0.9.6')
    expect(lists()).toBe(0)
  })

  it('passes over for a while what the store says is taken or resting', async () => {
    const { pool, choose, clock, lists } = poolOf()
    for (const ip of hosts.slice(0, 3)) pool.noteTaken('web', parseIp(ip))
    const freeAt = new Date(Date.now() + 60_000).toISOString()
    pool.noteReleased('web', parseIp('10.0.9.5'), { node: 'host-2', freeAt })
    expect(await choose()).toBe('10.0.9.6')
    expect(await choose()).toBe('10.0.9.6')
    clock.now += 6_000
    expect(hosts.slice(0, 3)).toContain(await choose())
    expect(lists()).toBe(0)
  })

  it.each(['not a time', new Date(0).toISOString(), new Date(Date.now() + 1e9).toISOString()])(
    'believes %s as the end of a rest only within bounds',
    async (freeAt) => {
      const { pool, choose, clock } = poolOf()
      for (const ip of hosts) pool.noteReleased('web', parseIp(ip), { node: 'host-2', freeAt })
      clock.now += 999
      pool.noteReleased('web', parseIp('10.0.9.2'), {
        node: 'host-2',
        freeAt: new Date(Date.now() + 1e9).toISOString(),
      })
      clock.now += 121_000
      expect(hosts).toContain(await choose())
    },
  )

  it('asks the store after several lost races, or when the view has nothing free', async () => {
    const { choose, owned, seen, lists } = poolOf()
    for (const ip of hosts.filter((host) => host !== '10.0.9.4')) owned.set(ip, {})
    expect(await choose(4)).toBe('10.0.9.4')
    expect(lists()).toBe(2)
    for (const ip of hosts) seen.add(ip)
    expect(await choose()).toBe('10.0.9.4')
    expect(lists()).toBe(4)
  })

  it('never gives the gateway, even where the store has no owner for it', async () => {
    const { choose, owned } = poolOf()
    owned.clear()
    const chosen = await Promise.all(Array.from({ length: 10 }, () => choose(4)))
    expect(new Set(chosen)).toEqual(new Set(hosts))
  })

  it('when nothing is free it says so, and when the next one is', async () => {
    const { choose, owned, resting, seen } = poolOf()
    for (const ip of hosts) seen.add(ip)
    for (const ip of hosts.slice(0, 3)) owned.set(ip, {})
    resting.set('10.0.9.5', { freeAt: '2026-01-01T00:02:00.000Z' })
    resting.set('10.0.9.6', { freeAt: '2026-01-01T00:01:00.000Z' })
    await expect(choose()).rejects.toMatchObject({
      code: 'exhausted',
      message:
        'web has no free address left in 10.0.9.0/29 (4 in use, 2 in quarantine); the next one is free at 2026-01-01T00:01:00.000Z',
    })
    for (const ip of hosts) owned.set(ip, {})
    await expect(choose()).rejects.toMatchObject({
      code: 'exhausted',
      message: 'web has no free address left in 10.0.9.0/29 (6 in use, 0 in quarantine)',
    })
  })

  it('one per subnet, those asked for where they belong', async () => {
    const { choose } = poolOf(['10.0.9.0/29', 'fd00:9::/64'])
    expect(await choose()).toMatch(/^10\.0\.9\.[2-6] fd00:9::/)
    expect(await choose(0, ['fd00:9::7'])).toMatch(/^10\.0\.9\.[2-6] fd00:9::7$/)
    expect(await choose(0, ['fd00:9::7', '10.0.9.4'])).toBe('10.0.9.4 fd00:9::7')
  })

  it('what is forgotten is asked anew', async () => {
    const { pool, choose } = poolOf()
    for (const ip of hosts.slice(0, 4)) pool.noteTaken('web', parseIp(ip))
    expect(await choose()).toBe('10.0.9.6')
    pool.forget('web')
    const chosen: string[] = []
    for (let n = 0; n < 5; n++) chosen.push(await choose())
    expect(chosen.toSorted()).toEqual(hosts)
  })
})

describe('checkRequested', () => {
  const network = networkOf('web', { subnets: ['10.0.9.0/24', 'fd00:9::/64'] })

  it.each([
    [[], []],
    [['10.0.9.7'], ['10.0.9.7']],
    [
      ['FD00:9:0::7', '10.0.9.7'],
      ['fd00:9::7', '10.0.9.7'],
    ],
    [['10.0.9.1'], ['10.0.9.1']],
  ] as const)('%j', (texts, ips) => {
    expect(checkRequested(network, texts)).toEqual(ips as readonly unknown[] as readonly Ip[])
  })

  it.each([
    [['web'], '"web" is not an IP address'],
    [['10.0.8.7'], 'address 10.0.8.7 is not in web: its addresses are in 10.0.9.0/24 and fd00:9::/64'],
    [['10.0.9.0'], 'address 10.0.9.0 is not for hosts: it stands for the subnet 10.0.9.0/24 itself'],
    [['10.0.9.255'], 'address 10.0.9.255 is not for hosts'],
    [['fd00:9::'], 'address fd00:9:: is not for hosts'],
    [['10.0.9.7', '10.0.9.8'], 'more than one address of a subnet was asked for: 10.0.9.7, 10.0.9.8'],
    [['10.0.9.7', '10.0.9.7'], 'more than one address of a subnet was asked for: 10.0.9.7, 10.0.9.7'],
  ])('%j: %s', (texts, message) => {
    expect(() => checkRequested(network, texts)).toThrow(message)
  })
})
