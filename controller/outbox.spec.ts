import { expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { Outbox } from './outbox.ts'

it('gives messages in order, also those that come while the reader waits', async () => {
  const outbox = new Outbox<number>(10)
  outbox.put(1)
  const reader = outbox[Symbol.asyncIterator]()
  expect((await reader.next()).value).toBe(1)
  const next = reader.next()
  outbox.put(2)
  outbox.put(3)
  expect([(await next).value, (await reader.next()).value]).toEqual([2, 3])
  const last = reader.next()
  outbox.end()
  expect((await last).done).toBe(true)
})

it('ends with its error, and with what waits not sent', async () => {
  const outbox = new Outbox<number>(10)
  outbox.put(1)
  outbox.end(new OverlayError('conflict', 'replaced'))
  outbox.put(2)
  await expect(outbox[Symbol.asyncIterator]().next()).rejects.toThrow('replaced')
})

it('ends a stream that is read too slowly', async () => {
  const outbox = new Outbox<number>(2)
  for (const message of [1, 2, 3]) outbox.put(message)
  await expect(outbox[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^the stream was read too slowly: 2 messages waited: try again in/),
    retryAfter: expect.any(Number),
  })
})

it('takes back what has not been read yet, and makes room with that', async () => {
  const outbox = new Outbox<string>(2)
  outbox.put('a')
  outbox.put('b')
  const reader = outbox[Symbol.asyncIterator]()
  expect((await reader.next()).value).toBe('a')
  outbox.put('c')
  expect([outbox.withdraw('a'), outbox.withdraw('b'), outbox.withdraw('b')]).toEqual([false, true, false])
  outbox.put('d')
  expect([(await reader.next()).value, (await reader.next()).value]).toEqual(['c', 'd'])
})
