import { expect, it } from 'vitest'
import { createQuarantine, quarantineSeconds } from './quarantine.ts'
import type { Lease } from './store.ts'

it('gives one lease to many releases, as long as it still lasts for the whole rest', async () => {
  const granted: { ttl: number; keepAlive: boolean | undefined }[] = []
  const clock = { now: 0 }
  const store = {
    grantLease: async (ttl: number, options?: { keepAlive?: boolean }) => {
      granted.push({ ttl, keepAlive: options?.keepAlive })
      // It takes its time.
      clock.now += 5_000
      return { id: String(granted.length) } as Lease
    },
  }
  const quarantine = createQuarantine(store, () => clock.now)
  const idAt = async (seconds: number) => {
    clock.now = seconds * 1000
    const { lease, freeAt } = await quarantine.lease()
    expect(freeAt.getTime()).toBeLessThanOrEqual(Date.now() + (quarantineSeconds + 20) * 1000)
    return lease.id
  }
  const ids = [await idAt(0), await idAt(5), await idAt(19), await idAt(20), await idAt(39), await idAt(100)]
  expect(ids).toEqual(['1', '1', '1', '2', '2', '3'])
  const lost = await quarantine.lease()
  quarantine.forget(lost)
  expect(await idAt(101)).toBe('4')
  // Told late of one that was replaced already.
  quarantine.forget(lost)
  expect(await idAt(102)).toBe('4')
  // At its last use it has 60 s left at least; it runs out by itself.
  expect(granted).toEqual(Array.from({ length: 4 }, () => ({ ttl: quarantineSeconds + 20, keepAlive: false })))
})

it('grants one lease to all who ask at once, and another after a failure', async () => {
  let grants = 0
  const store = {
    grantLease: async () => {
      if (++grants === 1) throw new Error('no')
      return { id: String(grants) } as Lease
    },
  }
  const quarantine = createQuarantine(store, () => 0)
  const refused = await Promise.allSettled([quarantine.lease(), quarantine.lease()])
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const rests = await Promise.all([quarantine.lease(), quarantine.lease(), quarantine.lease()])
  expect(new Set(rests.map(({ lease }) => lease.id))).toEqual(new Set(['2']))
})
