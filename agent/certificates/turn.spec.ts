import { expect, it } from 'vitest'
import { keys } from '../testing/feeds.ts'
import { waitTurn } from './turn.ts'

const cluster = (nodes: number) => ({ keys, count: async () => nodes })

it('a thousand nodes take twenty seconds, one after the other', async () => {
  const stop = new AbortController()
  let over = 0
  const waiting = Array.from({ length: 100 }, (_, n) =>
    waitTurn(cluster(1_000), stop.signal, () => n / 100).then(() => over++),
  )
  await waiting[0]
  expect(over).toBeLessThan(10)
  stop.abort()
  await Promise.all(waiting)
})

it('two do not wait', async () => {
  const began = performance.now()
  await waitTurn(cluster(2), new AbortController().signal, () => 0.999)
  expect(performance.now() - began).toBeLessThan(1_000)
})
