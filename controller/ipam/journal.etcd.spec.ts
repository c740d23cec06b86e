import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { Controller, type Init, type Tenure } from '../../proto/index.ts'
import { put, remove, type Write } from '../../store/store.ts'
import { neverEvicts, silent, type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { janitor } from '../janitor.ts'
import { evict } from '../nodes/evict.ts'
import { openIpam, type TestIpam } from './ipam-for-tests.ts'
import { type Trimmed, trimJournal } from './journal.ts'

let stores: TestStores
let ipam: TestIpam
const ip = parseIp
const { signal } = new AbortController()

beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())
beforeEach(async () => {
  ipam = await openIpam(stores)
})

const day = 24 * 3_600_000
const now = Date.parse('2026-06-30T00:00:00.000Z')
const at = (days: number) => new Date(now + days * day).toISOString()
const idOf = (n: number) => n.toString(16).padStart(32, '0')

function tenure(address: string, n: number, end: Init<Tenure>, network = 'web'): Write {
  const claimedAt = at(-100 + n / 1_000)
  return put(ipam.store.keys.tenure(network, ip(address), claimedAt, idOf(n)), {
    address,
    endpointId: idOf(n),
    claimedAt,
    ...end,
  })
}
const ended = (releasedAt: string): Init<Tenure> => ({ releasedAt, end: 'DETACHED' })

async function inSteps(writes: readonly Write[]): Promise<void> {
  for (let from = 0; from < writes.length; from += 1_280)
    await Promise.all(
      Array.from({ length: 10 }, (_, step) => ipam.write(...writes.slice(from + step * 128, from + (step + 1) * 128))),
    )
}

async function journal(network = 'web'): Promise<string[]> {
  const range = ipam.store.keys.history(network)
  const { paths } = await ipam.store.paths(range)
  return paths.map((path) => {
    const [address, , id = ''] = path.slice(range.prefix.length).split('/')
    return `${address} ${Number.parseInt(id, 16)}`
  })
}

const trim = (trimmed?: Trimmed, time = now) =>
  trimJournal(ipam.store, silent, signal, { now: time, ...(trimmed ? { trimmed } : {}) })

describe('trimJournal', () => {
  it('keeps what lasts, however old, and what ended within 30 days', async () => {
    await ipam.write(
      tenure('10.0.0.7', 1, ended(at(-31))),
      tenure('10.0.0.7', 2, ended(at(-29))),
      tenure('10.0.0.7', 3, {}),
      tenure('10.0.0.8', 4, {}),
      tenure('10.0.0.8', 5, ended('no time')),
      tenure('10.1.0.7', 6, ended(at(-31)), 'db'),
    )
    expect(await trim()).toBe(2)
    expect(await journal()).toEqual(['10.0.0.7 2', '10.0.0.7 3', '10.0.0.8 4', '10.0.0.8 5'])
    expect(await journal('db')).toEqual([])
  })

  it('keeps 16 of an address, over the ends of pages, those that ended last', async () => {
    const others = Array.from({ length: 990 }, (_, n) => tenure(`10.0.1${Math.floor(n / 90)}.${n % 90}`, n, {}))
    await inSteps([...others, ...Array.from({ length: 25 }, (_, n) => tenure('10.0.2.7', n, ended(at(-1))))])
    await ipam.write(tenure('10.0.2.7', 30, {}))
    // The last to be written is the last to end.
    await ipam.write(tenure('10.0.2.7', 3, ended(at(-1))))
    expect(await trim()).toBe(10)
    const left = (await journal()).filter((line) => line.startsWith('10.0.2.7 '))
    expect(left).toEqual([3, ...Array.from({ length: 14 }, (_, n) => 11 + n), 30].map((n) => `10.0.2.7 ${n}`))
    expect(await journal()).toHaveLength(990 + 16)
  })

  it('keeps 20,000 ended ones of a network, and looks again only at what has changed', async () => {
    const address = (n: number) => `10.0.${n % 250}.${Math.floor(n / 250) % 250}`
    await inSteps(Array.from({ length: 20_150 }, (_, n) => tenure(address(n), n, ended(at(-1)))))
    await ipam.write(tenure('10.0.0.0', 999_999, {}))
    const trimmed: Trimmed = new Map()
    expect(await trim(trimmed)).toBe(150)
    expect(await journal()).toHaveLength(20_001)
    expect(trimmed.get('web')).toEqual({ count: 20_001, at: now })
    let reads = 0
    const counted = {
      ...ipam.store,
      page: (...args: Parameters<typeof ipam.store.page>) => (reads++, ipam.store.page(...args)),
    }
    const again = (time: number) => trimJournal(counted as typeof ipam.store, silent, signal, { trimmed, now: time })
    await inSteps(Array.from({ length: 400 }, (_, n) => tenure(address(n), 30_000 + n, ended(at(-1)))))
    expect([await again(now + 60_000), reads]).toEqual([0, 0])
    await inSteps(Array.from({ length: 150 }, (_, n) => tenure(address(n), 31_000 + n, ended(at(-1)))))
    expect(await again(now + 120_000)).toBe(550)
    expect(await again(now + 29 * day + 1)).toBe(20_000)
    expect(await journal()).toHaveLength(1)
    await ipam.write(remove(ipam.store.keys.network('web')))
    await again(now)
    expect([...trimmed.keys()]).toEqual(['db'])
  })

  it('begins nothing once it is to end', async () => {
    await ipam.write(tenure('10.0.0.7', 1, ended(at(-31))))
    expect(await trimJournal(ipam.store, silent, AbortSignal.abort(), { now })).toBe(0)
    expect(await journal()).toHaveLength(1)
  })
})

describe('evict', () => {
  it('says in the journal that the node was removed, and forgets its routes', async () => {
    const { keys } = ipam.store
    const endpoint = await ipam.attach({ node: 'n1', addresses: ['10.0.0.7', 'fd00:9::7'], name: 'one' })
    const silentOne = await ipam.attach({ node: 'n1', addresses: ['10.0.0.8'] })
    const key = keys.tenure('web', ip('10.0.0.8'), silentOne.createdAt, silentOne.id)
    await ipam.write(
      // As an older agent's claim, which wrote no journal.
      remove(key),
      put(keys.hostRoutesOf('n1'), {}),
      put(keys.hostRoutesOf('n2'), {}),
    )
    await expect(evict(ipam.store, 'n1')).rejects.toThrow('node n1 has registered again')
    expect(await ipam.store.get(keys.hostRoutesOf('n1'))).toBeDefined()
    await ipam.write(remove(keys.node('n1')))
    expect(await evict(ipam.store, 'n1')).toBe(2)
    const { entries } = await ipam.store.list(keys.history('web'))
    expect(entries.map(({ value }) => [value.address, value.endpointId, value.end, value.name])).toEqual([
      ['10.0.0.7', endpoint.id, 'EVICTED', 'one'],
      ['10.0.0.8', silentOne.id, 'EVICTED', ''],
      ['fd00:9::7', endpoint.id, 'EVICTED', 'one'],
    ])
    expect(entries.every(({ value }) => value.releasedAt >= value.claimedAt)).toBe(true)
    expect((await ipam.store.paths(keys.hostRoutes)).paths).toEqual([keys.hostRoutesOf('n2').path])
    expect((await ipam.check()).findings).toEqual([])
  })

  it('goes on with another lease when that of the quarantine is lost', async () => {
    await ipam.attach({ node: 'n1', addresses: ['10.0.0.7'] })
    await ipam.write(remove(ipam.store.keys.node('n1')))
    let leases = 0
    const losing = {
      ...ipam.store,
      grantLease: async (...args: Parameters<typeof ipam.store.grantLease>) => {
        const lease = await ipam.store.grantLease(...args)
        if (leases++ === 0) await lease.revoke()
        return lease
      },
    }
    expect(await evict(losing, 'n1')).toBe(1)
    expect(leases).toBe(2)
    expect((await ipam.check()).findings).toEqual([])
  })

  it('takes as many dual-stack endpoints with names as there are', async () => {
    for (let n = 0; n < 26; n++)
      await ipam.attach({ node: 'n1', addresses: [`10.0.1.${n}`, `fd00:9::1:${n}`], name: `e${n}` })
    await ipam.write(remove(ipam.store.keys.node('n1')))
    expect(await evict(ipam.store, 'n1')).toBe(26)
    const left = await ipam.keys()
    expect(left.filter((line) => /^(endpoints|names|macs|placements)\//.test(line))).toEqual([])
    expect(left.filter((line) => line.startsWith('released/'))).toHaveLength(52)
    expect((await ipam.check()).findings).toEqual([])
  })
})

describe('janitor', () => {
  it('forgets routes of nodes that are no more, and trims the journal', async () => {
    const { keys } = ipam.store
    await ipam.write(
      // What cannot be removed of one node keeps nothing else waiting.
      put(keys.placement('n7', 'web', idOf(7)), null),
      { do: 'put', path: keys.endpoint('web', idOf(7)).path, value: 'no record', lease: undefined },
      put(keys.hostRoutesOf('n8'), {}),
      put(keys.hostRoutesOf('n1'), {}),
      tenure('10.0.0.7', 1, ended('2020-01-01T00:00:00.000Z')),
    )
    const ending = new AbortController()
    const candidate = Controller.create({ id: 'c1' })
    const work = janitor(ipam.store, {
      candidate,
      signal: ending.signal,
      log: silent,
      grace: 1,
      unreachable: neverEvicts,
    })
    try {
      await until('the journal to be trimmed', async () => (await journal()).length === 0)
      expect((await ipam.store.paths(keys.hostRoutes)).paths).toEqual([keys.hostRoutesOf('n1').path])
    } finally {
      ending.abort()
      await work
    }
  })
})
