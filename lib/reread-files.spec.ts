import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { OverlayError } from './errors.ts'
import { rereadFiles } from './reread-files.ts'
import type { Tls } from './tls.ts'

it('are read time and again, also after they could not be used, until the end', async () => {
  const stop = new AbortController()
  const reload = vi.fn(() => {
    if (reload.mock.calls.length === 1) throw new OverlayError('invalid', 'the key is another’s')
    return true
  })
  rereadFiles({ reload, files: {} } as unknown as Tls, stop.signal, pino({ level: 'silent' }), 1)
  await vi.waitUntil(() => reload.mock.calls.length >= 3, { timeout: 5_000, interval: 1 })
  stop.abort()
  const calls = reload.mock.calls.length
  await new Promise(setImmediate)
  expect(reload.mock.calls.length).toBe(calls)
})
