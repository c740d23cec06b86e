/** Etcd's data as a whole. */
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { OverlayError } from '../lib/errors.ts'
import { within } from '../lib/within.ts'
import { type SnapshotResponse, snapshot } from './etcd-api.ts'
import { isRefusal, reasonOf, refusal, unavailable } from './failures.ts'
import type { Members } from './members.ts'

/** Milliseconds until the next part comes: etcd reads its data for the first one. */
const patience = 30_000

/** See EtcdAdmin.snapshot. Over a connection of its own: beside its parts other answers would starve. */
export async function* readSnapshot(members: Members, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { url, connection } = await members.connectApart()
  try {
    // To etcd a call whose answer is a stream is the same, if one request is all that it is sent.
    const stream = await connection.open(snapshot, { connectBy: Date.now() + patience, signal })
    stream.end({})
    yield* parts(stream)
  } catch (error) {
    if (error instanceof OverlayError) throw error
    if (isRefusal(error)) throw refusal(error)
    throw unavailable([url], [reasonOf(error)], error)
  } finally {
    connection.close()
  }
}

async function* parts(stream: ClientDuplexStream<object, SnapshotResponse>): AsyncGenerator<Buffer> {
  const late = new Error('it accepts connections but its snapshot does not go on')
  const incoming = stream[Symbol.asyncIterator]() as AsyncIterator<SnapshotResponse>
  let left = '0'
  try {
    for (;;) {
      const { done, value } = await within(incoming.next(), patience, late)
      if (done) break
      left = value.remaining_bytes
      yield value.blob
    }
  } finally {
    stream.cancel()
  }
  if (left !== '0') throw new OverlayError('unavailable', `etcd ended its snapshot ${left} bytes before the end`)
}
