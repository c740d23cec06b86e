import { execa } from 'execa'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { createLogger } from '../lib/log.ts'
import { connect } from './connect.ts'
import { elect } from './election.ts'
import { startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import { holdLease } from './hold-lease.ts'
import { type Lease, put, remove, type Store } from './store.ts'

const log = createLogger('test', 'silent')
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function start(): Promise<TestEtcd> {
  const etcd = await startEtcd()
  cleanups.push(etcd.close)
  return etcd
}

function open(etcd: TestEtcd): Store {
  const store = connect({ urls: [etcd.url], prefix: '/t', log, callTimeout: 500 })
  cleanups.push(() => store.close())
  return store
}

function ending(): AbortController {
  const controller = new AbortController()
  cleanups.push(() => controller.abort())
  return controller
}

const sessionKey = (store: Store) => store.keys.session('host-1')
const writeSession = (store: Store) => async (lease: Lease) => {
  await store.commit({ compares: [], writes: [put(sessionKey(store), { node: 'host-1' }, { lease })] })
}
const session = (store: Store) => store.get(sessionKey(store))
const eventually = (check: () => unknown, timeout = 5_000) => vi.waitFor(check, { timeout, interval: 10 })

describe('lease', () => {
  it('is kept alive beyond its time, and its keys go when it is revoked', async () => {
    const store = open(await start())
    const lease = await store.grantLease(1)
    await writeSession(store)(lease)
    const started = performance.now()
    while (performance.now() - started < 2_500) {
      expect(await session(store)).toBeDefined()
      await new Promise(setImmediate)
    }
    expect(lease.lost.aborted).toBe(false)
    await lease.revoke()
    expect(await session(store)).toBeUndefined()
    expect(lease.lost.aborted).toBe(false)
  })

  it('is lost when its time is over, not later, and stays lost', async () => {
    const etcd = await start()
    const store = open(etcd)
    const lease = await store.grantLease(1)
    await etcd.kill()
    const started = performance.now()
    await eventually(() => expect(lease.lost.aborted).toBe(true))
    expect(performance.now() - started).toBeLessThan(1_500)
    expect(lease.lost.reason).toMatchObject({ code: 'unavailable' })
    await etcd.restart()
    await eventually(() => lease.revoke())
    expect(lease.lost.aborted).toBe(true)
  })

  it('is lost soon after etcd let it go, and then writes nothing', async () => {
    const etcd = await start()
    const store = open(etcd)
    const lease = await store.grantLease(1)
    await execa('etcdctl', ['--endpoints', etcd.url, 'lease', 'revoke', BigInt(lease.id).toString(16)])
    await expect(writeSession(store)(lease)).rejects.toMatchObject({ code: 'conflict' })
    await eventually(() => expect(lease.lost.aborted).toBe(true), 1_000)
  })

  it('survives a restart of etcd within its time', async () => {
    const etcd = await start()
    const store = open(etcd)
    const lease = await store.grantLease(3)
    await writeSession(store)(lease)
    await etcd.kill()
    await etcd.restart()
    await eventually(async () => expect(await session(store)).toBeDefined())
    expect(lease.lost.aborted).toBe(false)
  })

  it('runs out by itself when it is not to be kept alive', async () => {
    const store = open(await start())
    const lease = await store.grantLease(1, { keepAlive: false })
    await writeSession(store)(lease)
    await eventually(async () => expect(await session(store)).toBeUndefined())
    expect(lease.lost.aborted).toBe(true)
  })

  it('ends with the store', async () => {
    const store = open(await start())
    const lease = await store.grantLease(60)
    await store.close()
    expect(lease.lost.aborted).toBe(true)
  })
})

describe('holdLease', () => {
  it('writes the keys again after each loss, and removes them in the end', async () => {
    const etcd = await start()
    const store = open(etcd)
    const end = ending()
    const states: boolean[] = []
    const leases: Lease[] = []
    const establish = async (lease: Lease) => {
      leases.push(lease)
      await writeSession(store)(lease)
    }
    const onState = (held: boolean) => void states.push(held)
    const holding = holdLease(store, {
      ttlSeconds: 1,
      signal: end.signal,
      log,
      key: sessionKey(store),
      establish,
      onState,
    })
    await eventually(() => expect(states).toEqual([true]))
    await execa('etcdctl', ['--endpoints', etcd.url, 'lease', 'revoke', BigInt(leases[0]?.id ?? 0).toString(16)])
    await eventually(() => expect(states).toEqual([true, false, true]))
    expect(new Set(leases.map(({ id }) => id)).size).toBe(2)
    expect(await session(store)).toBeDefined()
    end.abort()
    await holding
    expect(states).toEqual([true, false, true, false])
    expect(await session(store)).toBeUndefined()
  })

  it('tries again when the store fails, and throws a first refusal', async () => {
    const store = open(await start())
    const end = ending()
    let attempts = 0
    const establish = async () => {
      if (++attempts < 3) throw new OverlayError('unavailable', 'away')
      throw new OverlayError('failed_precondition', 'the node is taken')
    }
    const options = { ttlSeconds: 1, signal: end.signal, log, key: sessionKey(store), establish }
    await expect(holdLease(store, options)).rejects.toThrow('taken')
    expect(attempts).toBe(3)
  })

  it('writes the key again when somebody has removed it, and only then', async () => {
    const store = open(await start())
    const end = ending()
    const states: boolean[] = []
    const onState = (held: boolean) => void states.push(held)
    const key = sessionKey(store)
    const options = { ttlSeconds: 60, signal: end.signal, log, key, establish: writeSession(store), onState }
    const holding = holdLease(store, options)
    await eventually(() => expect(states).toEqual([true]))
    // Of what begins alike nothing is gone with that.
    const other = store.keys.session('host-10')
    await store.commit({ compares: [], writes: [put(other, { node: 'host-10' })] })
    await store.commit({ compares: [], writes: [remove(other)] })
    await store.commit({ compares: [], writes: [remove(key)] })
    await eventually(() => expect(states).toEqual([true, false, true]))
    expect(await session(store)).toBeDefined()
    end.abort()
    await holding
    expect(await session(store)).toBeUndefined()
  })
})

describe('elect', () => {
  function stand(etcd: TestEtcd, id: string) {
    const store = open(etcd)
    const end = ending()
    const candidate = { store, end, leading: false }
    const lead = async (signal: AbortSignal) => {
      candidate.leading = true
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      candidate.leading = false
    }
    const done = elect(store, { office: 'janitor', candidate: { id }, ttlSeconds: 1, signal: end.signal, log, lead })
    return Object.assign(candidate, { id, done })
  }

  it('has one leader; the office moves on when it resigns, and soon after it dies', async () => {
    const etcd = await start()
    const candidates = ['a', 'b', 'c'].map((id) => stand(etcd, id))
    const observer = open(etcd)
    const leader = async (timeout: number) => {
      await eventually(() => expect(candidates.filter(({ leading }) => leading)).toHaveLength(1), timeout)
      const found = candidates.find(({ leading }) => leading)
      if (!found) throw new Error('the leader has just gone')
      expect((await observer.get(observer.keys.leader('janitor')))?.value.id).toBe(found.id)
      return found
    }
    const first = await leader(2_000)
    first.end.abort()
    await first.done
    expect(first.leading).toBe(false)
    const second = await leader(1_000)
    expect(second.id).not.toBe(first.id)
    // Dead: it keeps nothing alive any more and revokes nothing.
    await second.store.close()
    await eventually(() => expect(second.leading).toBe(false))
    const third = await leader(5_000)
    expect([first.id, second.id]).not.toContain(third.id)
  })

  it('stands again when leading fails', async () => {
    const etcd = await start()
    const store = open(etcd)
    const end = ending()
    let terms = 0
    const lead = async () => {
      if (++terms === 1) throw new Error('a fault')
      end.abort()
    }
    await elect(store, { office: 'janitor', candidate: { id: 'a' }, ttlSeconds: 1, signal: end.signal, log, lead })
    expect(terms).toBe(2)
    expect(await store.get(store.keys.leader('janitor'))).toBeUndefined()
  })

  it('fences: what a former leader commits is refused', async () => {
    const etcd = await start()
    const store = open(etcd)
    const outcomes: boolean[] = []
    const end = ending()
    await elect(store, {
      office: 'janitor',
      candidate: { id: 'a' },
      ttlSeconds: 1,
      signal: end.signal,
      log,
      lead: async (_, fence) => {
        const commit = () => store.commit({ compares: [fence], writes: [put(store.keys.node('n'), {})] })
        outcomes.push((await commit()).committed)
        await execa('etcdctl', ['--endpoints', etcd.url, 'del', store.keys.leader('janitor').path])
        outcomes.push((await commit()).committed)
        end.abort()
      },
    })
    expect(outcomes).toEqual([true, false])
  })
})
