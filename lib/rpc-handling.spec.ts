import { EventEmitter, getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Metadata } from '@grpc/grpc-js'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { EventsService } from '../proto/index.ts'
import { createGate } from './overload.ts'
import { type CallContext, handleCall } from './rpc-handling.ts'

/** As grpc-js gives one to a handler. */
class StreamCall extends EventEmitter {
  readonly request = {}
  readonly metadata = new Metadata()
  readonly ended = new Promise<void>((resolve) => {
    this.end = resolve
  })
  declare end: () => void
  getPeer = () => 'test'
  getDeadline = () => Number.POSITIVE_INFINITY
}

it('a stream that begins while the server closes is told so', async () => {
  const told: boolean[] = []
  const handler = async function* (_: unknown, { signal }: CallContext) {
    told.push(signal.aborted)
    yield* []
  }
  const gate = createGate('this server', 'streams', 1)
  const closing = AbortSignal.abort()
  const handle = handleCall(EventsService.methods.watch, handler, { gate, closing, log: pino({ level: 'silent' }) })
  const call = new StreamCall()
  ;(handle as (call: unknown) => void)(call)
  await call.ended
  expect(told).toEqual([true])
})

it('streams that have ended leave nothing in what tells of the shutdown, after garbage was collected, too', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const handler = async function* () {
    await finished
    yield* []
  }
  const { signal: closing } = new AbortController()
  const gate = createGate('this server', 'streams', 50)
  const handle = handleCall(EventsService.methods.watch, handler, { gate, closing, log: pino({ level: 'silent' }) })
  const calls = Array.from({ length: 50 }, () => new StreamCall())
  for (const call of calls) (handle as (call: unknown) => void)(call)
  await setImmediate()
  collectGarbage()
  finish()
  await Promise.all(calls.map(({ ended }) => ended))
  await setImmediate()
  expect(getEventListeners(closing, 'abort')).toEqual([])
})
