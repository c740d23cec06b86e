import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { StoreFullError } from '../../store/store.ts'
import { createStoreHealth } from './store-health.ts'

const log = pino({ level: 'silent' })
const full = new StoreFullError()
const away = new OverlayError('unavailable', 'no etcd answers')
let stop = new AbortController()

afterEach(() => {
  stop.abort()
  stop = new AbortController()
})

function healthOver(answers: { present: boolean; full?: boolean }, now?: () => number) {
  const probe = vi.fn(async () => {
    if (!answers.present) throw away
    return { revision: 1, milliseconds: 1 }
  })
  const requireRoom = vi.fn(async () => {
    if (answers.full) throw full
  })
  const onRecovered = vi.fn()
  const health = createStoreHealth(
    { probe, requireRoom, urls: ['http://etcd:2379'] },
    stop.signal,
    log,
    onRecovered,
    now,
  )
  return { health, probe, onRecovered }
}

describe('createStoreHealth', () => {
  it('refuses at once while the store is away, and says which', async () => {
    const { health } = healthOver({ present: false })
    health.require()
    await expect(health.observe(async () => Promise.reject(away))).rejects.toBe(away)
    expect(health.problem()).toBe(away)
    expect(() => health.require()).toThrow(
      'the store (http://etcd:2379) cannot be reached, so no address can be claimed; what is attached goes on: no etcd answers',
    )
  })

  it('takes other errors for what they are', async () => {
    const { health } = healthOver({ present: true })
    const refused = new OverlayError('exhausted', 'full')
    await expect(health.observe(async () => Promise.reject(refused))).rejects.toBe(refused)
    expect(await health.observe(async () => 7)).toBe(7)
    expect(health.problem()).toBeUndefined()
  })

  it('tells once when the store answers again, and each time', async () => {
    const answers = { present: false }
    const { health, probe, onRecovered } = healthOver(answers)
    for (let round = 1; round <= 2; round++) {
      answers.present = false
      health.note(away)
      health.note(away)
      await vi.waitUntil(() => probe.mock.calls.length > round, { interval: 1 })
      answers.present = true
      await vi.waitUntil(() => health.problem() === undefined, { interval: 1, timeout: 5_000 })
      expect(onRecovered).toHaveBeenCalledTimes(round)
    }
  })

  it('waits ever longer when the store is lost again and again, until it was there for a while', async () => {
    const clock = { now: 0 }
    const { health, probe } = healthOver({ present: true }, () => clock.now)
    const lose = async () => {
      const probes = probe.mock.calls.length
      health.note(away)
      const atOnce = probe.mock.calls.length > probes
      await vi.waitUntil(() => health.problem() === undefined, { interval: 1, timeout: 5_000 })
      return atOnce
    }
    const began = performance.now()
    expect([await lose(), await lose(), await lose()]).toEqual([true, false, false])
    // At least half of 100 and of 200 ms.
    expect(performance.now() - began).toBeGreaterThan(145)
    clock.now += 10_000
    expect(await lose()).toBe(true)
  })

  it('takes a full store for away until it has room, though it can be read, and says what to do', async () => {
    const answers = { present: true, full: true }
    const { health, probe, onRecovered } = healthOver(answers)
    health.note(full)
    await vi.waitUntil(() => probe.mock.calls.length > 2, { interval: 1, timeout: 5_000 })
    expect(() => health.require()).toThrow(/etcd is full .*etcdctl alarm disarm/)
    answers.present = false
    await vi.waitUntil(() => health.problem() === away, { interval: 1, timeout: 5_000 })
    health.note(full)
    answers.present = true
    answers.full = false
    await vi.waitUntil(() => health.problem() === undefined, { interval: 1, timeout: 5_000 })
    expect(onRecovered).toHaveBeenCalledTimes(1)
  })

  it('asks no more once the agent stops', async () => {
    const { health, onRecovered, probe } = healthOver({ present: false })
    health.note(away)
    stop.abort()
    health.note(away)
    await new Promise(setImmediate)
    expect(probe).toHaveBeenCalledTimes(1)
    expect(onRecovered).not.toHaveBeenCalled()
  })
})
