import { describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { hosts, poolOf, take } from '../testing/pool.ts'

describe('what was given back', () => {
  it('comes after all that were never used, the longest ago first, and not while it rests', async () => {
    const pool = poolOf()
    const [first = '', second = '', ...others] = await take(pool, 3)
    pool.giveBack(second)
    pool.giveBack(first)
    const rest = await take(pool, 2)
    expect([...rest, first, second, ...others].toSorted()).toEqual(hosts)
    for (const ip of [...rest, ...others]) pool.owned.add(ip)
    for (const ip of [second, first]) pool.resting.set(ip, { freeAt: new Date(Date.now() + 80_000).toISOString() })
    await expect(pool.choose()).rejects.toMatchObject({ code: 'exhausted' })
    pool.clock.now += 86_000
    expect(await take(pool, 2)).toEqual([second, first])
  })

  it('is had by the store’s word when its rest is over, whatever is believed of it', async () => {
    const pool = poolOf()
    const all = await take(pool, 5)
    for (const ip of all.slice(0, 3)) pool.owned.add(ip)
    for (const ip of all.slice(3)) pool.giveBack(ip)
    expect(await pool.choose()).toBe(all[3])
    pool.owned.add(all[3] ?? '')
    expect(await pool.choose()).toBe(all[4])
    expect(pool.asked()).toBe(2)
  })

  it('and is used again since is not given', async () => {
    const pool = poolOf()
    const all = await take(pool, 5)
    for (const ip of all.slice(0, 2)) pool.giveBack(ip)
    pool.own(all[0] ?? '')
    pool.clock.now += 200_000
    expect(await pool.choose()).toBe(all[1])
  })

  it('is still last after the subnet has grown', async () => {
    const pool = poolOf()
    const [first = ''] = await take(pool, 1)
    pool.giveBack(first)
    pool.become(['10.0.9.0/28'])
    const fresh = await take(pool, 12)
    expect(fresh).not.toContain(first)
    expect(pool.asked()).toBe(0)
    pool.clock.now += 200_000
    expect(await pool.choose()).toBe(first)
  })

  it('is known from the store, too, as soon as it is asked', async () => {
    const pool = poolOf(['10.0.9.0/28'])
    for (const n of [9, 4, 7]) pool.resting.set(`10.0.9.${n}`, { freeAt: new Date(Date.now() + 60_000).toISOString() })
    // The store is asked, and so tells what rests.
    const chosen = await pool.choose(4)
    pool.own(chosen)
    expect([chosen, ...(await take(pool, 9))].filter((ip) => pool.resting.has(ip))).toEqual([])
    pool.clock.now += 200_000
    expect(await take(pool, 3)).toEqual(['10.0.9.9', '10.0.9.4', '10.0.9.7'])
  })

  it.each(['not a time', new Date(0).toISOString(), new Date(Date.now() + 1e9).toISOString()])(
    'with %s as the end of its rest is believed only within bounds',
    async (freeAt) => {
      const pool = poolOf()
      for (const ip of await take(pool, 5)) {
        pool.seen.delete(ip)
        pool.pool.noteReleased('web', parseIp(ip), { node: 'host-2', freeAt })
      }
      pool.clock.now += 86_000
      expect([...(await take(pool, 5))].toSorted()).toEqual(hosts)
      expect(pool.asked()).toBe(0)
    },
  )
})
