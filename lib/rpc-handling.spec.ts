import { EventEmitter } from 'node:events'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { EventsService } from '../proto/index.ts'
import { createGate } from './overload.ts'
import { type CallContext, handleCall } from './rpc-handling.ts'

/** As grpc-js gives one to a handler. */
class StreamCall extends EventEmitter {
  readonly request = {}
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
