/** Watches everything in etcd from the first revision on, by whichever member answers. */
import { Client, credentials } from '@grpc/grpc-js'
import { OverlayError } from '../../lib/errors.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import {
  type ApiMethod,
  type KeyValue,
  type RangeResponse,
  range,
  txn,
  type WatchResponse,
  watch,
} from '../../store/etcd-api.ts'
import { until } from '../lab/until.ts'
import { createStoreMirror, type StoreEvent, type StoreMirror } from './store-mirror.ts'

export interface StoreWatch {
  readonly mirror: StoreMirror
  /** Waits until all that was committed before the call has been told. @throws Error after `deadline` milliseconds. */
  caughtUp(deadline: number): Promise<void>
  /** What is there now, read in full and not by the watch; only below the cluster's prefix. */
  readAll(): Promise<ReadonlyMap<string, string>>
  close(): void
}

const prefix = '/overlay/v1/'
/** Written to be told of; not below the prefix, so that the cluster sees nothing of it. */
const markKey = Buffer.from('/chaos/mark')
const callTimeout = 2_000

/** `targets`: what a gRPC client dials for each member. */
export function watchStore(targets: readonly string[]): StoreWatch {
  const mirror = createStoreMirror()
  const closed = new AbortController()
  const clients = targets.map((target) => new Client(target, credentials.createInsecure(), reconnectSoon))
  /** The highest revision that was told of. */
  let seen = 0
  const take = (response: WatchResponse) => {
    mirror.take(response.events.flatMap(eventOf))
    seen = Math.max(seen, ...response.events.map(({ kv }) => Number(kv.mod_revision)))
  }
  void (async () => {
    for (let attempt = 0; !closed.signal.aborted; attempt++) {
      const client = clients[attempt % clients.length]
      if (client) await follow(client, () => seen + 1, take, closed.signal).catch(() => undefined)
      await pause(delayBefore(1), closed.signal)
    }
  })()
  const ask = async <I, O>(method: ApiMethod<I, O>, request: I): Promise<O> => {
    let failure: unknown
    for (const client of clients)
      try {
        return await call(client, method, request)
      } catch (error) {
        failure = error
      }
    throw OverlayError.from(failure)
  }
  return {
    mirror,
    async caughtUp(deadline) {
      const success = [{ request_put: { key: markKey, value: Buffer.alloc(0) } }]
      const mark = () => ask(txn, { compare: [], success, failure: [] })
      const { header } = await until(mark, { what: 'etcd to take a write', deadline })
      const marked = Number(header.revision)
      await until(() => seen >= marked, { what: 'the watch on etcd to catch up', deadline })
    },
    async readAll() {
      const end = Buffer.from(`${prefix.slice(0, -1)}0`)
      const { kvs }: RangeResponse = await ask(range, { key: Buffer.from(prefix), range_end: end })
      return new Map(kvs.map((kv) => [pathOf(kv) ?? '', kv.value.toString()]))
    },
    close() {
      closed.abort()
      for (const client of clients) client.close()
    },
  }
}

const reconnectSoon = {
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_receive_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
}

function eventOf({ type, kv }: WatchResponse['events'][number]): readonly StoreEvent[] {
  const path = pathOf(kv)
  return path === undefined ? [] : [{ type, path, value: kv.value.toString(), revision: Number(kv.mod_revision) }]
}

function pathOf({ key }: KeyValue): string | undefined {
  const text = key.toString()
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined
}

function call<I, O>(client: Client, method: ApiMethod<I, O>, request: I): Promise<O> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + callTimeout
    client.makeUnaryRequest(method.path, method.encode, method.decode, request, { deadline }, (error, answer) =>
      error || !answer ? reject(error ?? new Error('no answer')) : resolve(answer),
    )
  })
}

/** A watch on a member that has lost the others is silent: now and then another member is asked. */
const longest = 5_000

/** One watch, until it breaks, or for a while. */
async function follow(
  client: Client,
  next: () => number,
  take: (response: WatchResponse) => void,
  signal: AbortSignal,
) {
  const stream = client.makeBidiStreamRequest(watch.path, watch.encode, watch.decode)
  const cancel = () => stream.cancel()
  const timer = setTimeout(cancel, longest)
  signal.addEventListener('abort', cancel, { once: true })
  stream.on('error', () => undefined)
  // From the first key to the last: both ends are the zero byte (rpc.proto of etcd).
  const all = Buffer.from([0])
  stream.write({
    create_request: { key: all, range_end: all, start_revision: next(), progress_notify: false },
  })
  try {
    for await (const response of stream) take(response as WatchResponse)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}
