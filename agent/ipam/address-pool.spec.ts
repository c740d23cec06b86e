import { describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { createKeys } from '../../store/keys.ts'
import { hosts, poolOf, take } from '../testing/pool.ts'
import { networkOf } from '../testing/views.ts'
import { createAddressPool } from './address-pool.ts'

describe('choose', () => {
  it('goes by the view, without the store, and never gives the gateway', async () => {
    const pool = poolOf()
    const chosen = await Promise.all(Array.from({ length: 5 }, () => pool.choose()))
    expect(chosen.toSorted()).toEqual(hosts)
    expect(pool.asked()).toBe(0)
  })

  it('passes over what has an owner in the view', async () => {
    const { choose, own, asked } = poolOf()
    for (const ip of hosts.slice(0, 4)) own(ip)
    expect(await choose()).toBe('10.0.9.6')
    expect(asked()).toBe(0)
  })

  it('does not try again what the store says is taken or resting', async () => {
    const { pool, choose, asked } = poolOf()
    const tried: string[] = []
    for (let n = 0; n < 4; n++) {
      const ip = await choose()
      tried.push(ip)
      if (n % 2) pool.noteTaken('web', parseIp(ip))
      else pool.noteReleased('web', parseIp(ip), { node: 'host-2', freeAt: new Date(Date.now() + 6e4).toISOString() })
    }
    tried.push(await choose())
    expect(tried.toSorted()).toEqual(hosts)
    expect(asked()).toBe(0)
  })

  it('asks the store after several lost races, or when the view has nothing free', async () => {
    const { choose, owned, own, asked } = poolOf()
    for (const ip of hosts.filter((host) => host !== '10.0.9.4')) owned.add(ip)
    expect(await choose(4)).toBe('10.0.9.4')
    expect(asked()).toBe(1)
    for (const ip of hosts) own(ip)
    expect(await choose()).toBe('10.0.9.4')
    expect(asked()).toBe(2)
  })

  it('of two who ask the store at once each tries another', async () => {
    const { choose, own } = poolOf()
    for (const ip of hosts) own(ip)
    const chosen = await Promise.all(Array.from({ length: 5 }, () => choose(4)))
    expect(chosen.toSorted()).toEqual(hosts)
  })

  it('never gives the gateway or an auxiliary address, even where the store has no owner for them', async () => {
    const { choose, owned } = poolOf(['10.0.9.0/29'], { aux: ['10.0.9.3', '10.0.9.6'] })
    owned.clear()
    const chosen = await Promise.all(Array.from({ length: 12 }, (_, n) => choose(n % 2 ? 4 : 0)))
    expect([...new Set(chosen)].toSorted()).toEqual(['10.0.9.2', '10.0.9.4', '10.0.9.5'])
  })

  it('when nothing is free it says so, and when the next one is', async () => {
    const { choose, owned, resting, own } = poolOf()
    for (const ip of hosts) own(ip)
    for (const ip of hosts.slice(0, 3)) owned.add(ip)
    resting.set('10.0.9.5', { freeAt: '2026-01-01T00:02:00.000Z' })
    resting.set('10.0.9.6', { freeAt: '2026-01-01T00:01:00.000Z' })
    await expect(choose()).rejects.toMatchObject({
      code: 'exhausted',
      message:
        'web has no free address left in 10.0.9.0/29 (3 used, 1 reserved, 2 in quarantine); the next one is free at 2026-01-01T00:01:00.000Z; detach what is not needed, or grow the network (for example "overlayctl update web --subnet 10.0.9.0/28")',
    })
    for (const ip of hosts) owned.add(ip)
    await expect(choose()).rejects.toMatchObject({
      code: 'exhausted',
      message: expect.stringContaining('in 10.0.9.0/29 (5 used, 1 reserved, 0 in quarantine); detach'),
    })
  })

  it('one per subnet, those asked for where they belong', async () => {
    const { choose } = poolOf(['10.0.9.0/29', 'fd00:9::/64'])
    expect(await choose()).toMatch(/^10\.0\.9\.[2-6] fd00:9::/)
    expect(await choose(0, ['fd00:9::7'])).toMatch(/^10\.0\.9\.[2-6] fd00:9::7$/)
    expect(await choose(0, ['fd00:9::7', '10.0.9.4'])).toBe('10.0.9.4 fd00:9::7')
  })

  it('what is forgotten is asked anew', async () => {
    const pool = poolOf()
    await take(pool, 4)
    pool.seen.clear()
    pool.pool.forget('web')
    expect([...(await take(pool, 5))].toSorted()).toEqual(hosts)
  })
})

describe('a range', () => {
  const range = { ipRange: '10.0.9.4/31' }

  it('is chosen from, and nothing beside it', async () => {
    const { choose, own, asked } = poolOf(['10.0.9.0/29'], range)
    const chosen = [await choose(), await choose()]
    expect(chosen.toSorted()).toEqual(['10.0.9.4', '10.0.9.5'])
    expect(await choose(0, ['10.0.9.2'])).toBe('10.0.9.2')
    for (const ip of chosen) own(ip)
    expect(asked()).toBe(0)
  })

  it('that has nothing left is exhausted, though the subnet is not', async () => {
    const { choose, owned, resting } = poolOf(['10.0.9.0/29'], range)
    owned.add('10.0.9.4').add('10.0.9.2')
    resting.set('10.0.9.5', { freeAt: '2026-01-01T00:02:00.000Z' })
    resting.set('10.0.9.3', { freeAt: '2026-01-01T00:01:00.000Z' })
    await expect(choose(4)).rejects.toMatchObject({
      code: 'exhausted',
      message: expect.stringContaining(
        'in 10.0.9.4/31 (1 used, 0 reserved, 1 in quarantine); the next one is free at 2026-01-01T00:02:00.000Z; ',
      ),
    })
  })

  it('does not give again what was asked for outside it', async () => {
    const pool = poolOf(['10.0.9.0/29'], range)
    for (const ip of ['10.0.9.2', '10.0.9.3']) {
      pool.own(ip)
      pool.giveBack(ip)
    }
    await take(pool, 2)
    pool.clock.now += 200_000
    for (const ip of ['10.0.9.4', '10.0.9.5']) pool.owned.add(ip)
    await expect(pool.choose()).rejects.toMatchObject({ code: 'exhausted' })
  })

  it('and a subnet that changes are followed at once', async () => {
    const pool = poolOf(['10.0.9.0/29'], range)
    await take(pool, 2)
    pool.become(['10.0.9.0/29'])
    expect([...(await take(pool, 3))].toSorted()).toEqual(['10.0.9.2', '10.0.9.3', '10.0.9.6'])
    pool.become(['10.0.9.0/28'])
    expect([...(await take(pool, 8))].toSorted()).toEqual(
      [7, 8, 9, 10, 11, 12, 13, 14].map((n) => `10.0.9.${n}`).toSorted(),
    )
    expect(pool.asked()).toBe(0)
  })
})

describe('speed', () => {
  it('does not depend on how many are owned', async () => {
    let asked = 0
    const pool = createAddressPool({
      store: {
        keys: createKeys('/t/'),
        list: () => Promise.reject(new Error()),
        paths: () => Promise.reject(new Error()),
      },
      node: 'host-1',
      // 50,000 of 65,534, from the end.
      ownerOf: (_, ip) => {
        asked++
        const [, , c = 0] = ip.split('.').map(Number)
        return c >= 60 ? 'someone' : undefined
      },
      now: () => 0,
    })
    const network = networkOf('web', { subnets: ['10.0.0.0/16'] })
    for (let n = 0; n < 15_000; n++) await pool.choose(network, [], 0)
    // Each address is asked about once in all.
    expect(asked).toBeLessThanOrEqual(65_534)
  })
})
