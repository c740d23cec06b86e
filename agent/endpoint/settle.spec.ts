import { expect, it } from 'vitest'
import { createKeyedQueue } from '../keyed-queue.ts'
import type { EndpointParts } from './parts.ts'
import { settleElsewhere } from './settle.ts'

const intent = { kind: 'claim', network: 'db', endpointId: 'e1', bootId: 'b', cookie: '7' }

/** Something goes on in `db` that does not end, and an intent of sandbox 7 is open there. */
function busyElsewhere(mostOfKey: number): EndpointParts {
  const turns = createKeyedQueue({ mostOfKey, most: 10 })
  void turns.run('db', () => new Promise(() => undefined))
  const intents = { open: () => [intent] }
  return { turns, intents, view: { endpoint: () => undefined } } as unknown as EndpointParts
}

it('a caller who is gone does not wait for its turn in another network', async () => {
  const parts = busyElsewhere(1)
  const caller = new AbortController()
  const settled = settleElsewhere(parts, '7', 'web', caller.signal)
  caller.abort()
  await expect(settled).rejects.toMatchObject({ code: 'deadline' })
  // Its place is free again.
  const next = new AbortController()
  const waiting = settleElsewhere(parts, '7', 'web', next.signal)
  await expect(settleElsewhere(parts, '7', 'web', next.signal)).rejects.toMatchObject({
    code: 'unavailable',
    retryAfter: expect.any(Number),
  })
  next.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'deadline' })
})

it('in its own network, and for other sandboxes, nobody waits', async () => {
  const parts = busyElsewhere(1)
  const { signal } = new AbortController()
  await settleElsewhere(parts, '7', 'db', signal)
  await settleElsewhere(parts, '8', 'web', signal)
})
