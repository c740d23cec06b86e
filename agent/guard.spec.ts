import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { createGuard } from './guard.ts'

const silent = pino({ level: 'silent' })

it('believes the store until something speaks against it', () => {
  const guard = createGuard(silent, () => undefined)
  expect(guard.reason()).toBeUndefined()
  guard.set('endpoint e1', 'it is gone')
  expect(guard.reason()).toBe('it is gone')
  // What speaks against the whole store is said first.
  guard.set('history', 'it went back')
  expect(guard.reason()).toBe('it went back')
  guard.set('history', undefined)
  expect(guard.reason()).toBe('it is gone')
  guard.set('endpoint e1', undefined)
  expect(guard.reason()).toBeUndefined()
})

it('distrusts the whole store for what is not about single objects', () => {
  const guard = createGuard(silent, () => undefined)
  guard.set('endpoint e1', 'it is gone')
  guard.set('network web', 'it is gone')
  expect(guard.distrust()).toBeUndefined()
  for (const doubt of ['view', 'history', 'cluster'] as const) {
    guard.set(doubt, doubt)
    expect(guard.distrust()).toBe(doubt)
    expect(guard.isForeign()).toBe(doubt === 'cluster')
  }
})

it('tells of the first doubt and of the end of the last, and of nothing between', () => {
  const changed = vi.fn()
  const guard = createGuard(silent, () => changed(guard.reason()))
  guard.set('cluster', undefined)
  guard.set('cluster', 'another one')
  guard.set('cluster', 'another one')
  guard.set('cluster', 'a third one')
  guard.set('history', 'it went back')
  guard.set('cluster', undefined)
  expect(changed.mock.calls).toEqual([['another one']])
  guard.set('history', undefined)
  expect(changed.mock.calls).toEqual([['another one'], [undefined]])
})
