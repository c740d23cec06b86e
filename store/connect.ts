/** The store: etcd behind the interface of store.ts. */
import type { Logger } from '../lib/log.ts'
import type { TlsMaterial } from '../lib/tls.ts'
import { defaultKeepalive, type KeepaliveTimes } from './connection.ts'
import { parseEtcdUrls } from './endpoints.ts'
import { type KeyValue, type RangeRequest, range, txn } from './etcd-api.ts'
import { follow } from './follow.ts'
import { createKeys, defaultPrefix, parsePrefix } from './keys.ts'
import { grantLease } from './lease.ts'
import { Members } from './members.ts'
import { keyAfter, rangeOf, readWholeRange } from './range.ts'
import { decodeEntry, lenientDecoder } from './records.ts'
import type { Entry, Listing, Store } from './store.ts'
import { decodeOutcome, encodeTransaction } from './transaction.ts'
import { watchOpener } from './watch-stream.ts'

export interface ConnectOptions {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT` of one or more members. */
  readonly urls: readonly string[]
  /** Where our keys are; default: keys.ts' defaultPrefix. A slash is added at the end. */
  readonly prefix?: string
  readonly tls?: TlsMaterial | undefined
  /** Milliseconds until a call gives up, on all members together; default 2000. */
  readonly callTimeout?: number
  readonly keepalive?: KeepaliveTimes
  /** Milliseconds between a follow's comparisons with a list of keys; default 10 minutes. */
  readonly auditInterval?: number
  readonly log: Logger
  /** Closes the store when it aborts. */
  readonly signal?: AbortSignal
}

/**
 * Does not wait for etcd: it connects with the first call, and calls fail
 * with `unavailable` for as long as no etcd answers.
 * @throws OverlayError `invalid` when a URL or the prefix is none.
 */
export function connect(options: ConnectOptions): Store {
  const { urls, prefix = defaultPrefix, tls, callTimeout = 2_000, keepalive = defaultKeepalive, log } = options
  const { auditInterval = 600_000 } = options
  const members = new Members({ endpoints: parseEtcdUrls(urls, tls !== undefined), tls, callTimeout, keepalive })
  const keys = createKeys(parsePrefix(prefix))
  const decode = lenientDecoder(log)
  const openWatch = watchOpener(members)
  const read = (request: RangeRequest) => members.read(range, request)
  const closed = new AbortController()

  const close = async () => {
    if (closed.signal.aborted) return
    closed.abort()
    members.close()
  }
  options.signal?.addEventListener('abort', () => void close(), { once: true, signal: closed.signal })
  if (options.signal?.aborted) void close()

  return {
    keys,
    urls: members.urls,
    async get({ path, type }) {
      const { kvs } = await read({ key: Buffer.from(path) })
      return kvs[0] && decodeEntry(type, kvs[0])
    },
    async list({ prefix, type }, { at } = {}) {
      const { revision, items } = await readWholeRange(read, { prefix, at }, (kv) => decode(type, kv) ?? pathOf(kv))
      return { ...readableOf(items), revision }
    },
    async paths({ prefix }) {
      const { revision, items } = await readWholeRange(read, { prefix, keysOnly: true }, pathOf)
      return { paths: items, revision }
    },
    async page({ prefix, type }, { limit, after, at }) {
      const whole = { ...rangeOf(prefix), ...(at === undefined ? {} : { revision: at }) }
      const start = after === undefined ? whole.key : keyAfter(after)
      const { header, kvs, more } = await read({ ...whole, key: start, limit })
      const last = kvs.at(-1)
      const next = more && last ? pathOf(last) : undefined
      return {
        ...readableOf(kvs.map((kv) => decode(type, kv) ?? pathOf(kv))),
        revision: at ?? Number(header.revision),
        next,
      }
    },
    async count({ prefix }) {
      return Number((await read({ ...rangeOf(prefix), count_only: true })).count)
    },
    async commit(transaction) {
      return decodeOutcome(transaction, await members.once(txn, encodeTransaction(transaction)))
    },
    follow: (range, signal) =>
      follow(range, { read, openWatch, decode, log, auditInterval }, AbortSignal.any([signal, closed.signal])),
    grantLease: (ttlSeconds, { keepAlive = true } = {}) =>
      grantLease(members, ttlSeconds, { keepAlive, closed: closed.signal }),
    async probe() {
      const started = performance.now()
      const { header } = await read({ key: Buffer.from(keys.cluster.path), count_only: true })
      return { revision: Number(header.revision), milliseconds: performance.now() - started }
    },
    close,
  }
}

const pathOf = ({ key }: KeyValue) => key.toString()

/** Of what cannot be read there is only the path. */
function readableOf<T>(items: readonly (Entry<T> | string)[]): Pick<Listing<T>, 'entries' | 'unreadable'> {
  const entries: Entry<T>[] = []
  const unreadable: string[] = []
  for (const item of items)
    if (typeof item === 'string') unreadable.push(item)
    else entries.push(item)
  return { entries, unreadable }
}
