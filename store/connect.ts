/** The store: etcd behind the interface of store.ts. */

import type { Logger } from '../lib/log.ts'
import type { Tls } from '../lib/tls.ts'
import { defaultKeepalive, type KeepaliveTimes } from './connection.ts'
import { unlessRevoked } from './denied.ts'
import { discoverMembers } from './discovery.ts'
import { parseEtcdUrls } from './endpoints.ts'
import { createEtcdAdmin } from './etcd-admin.ts'
import { type KeyValue, type RangeRequest, range, txn } from './etcd-api.ts'
import { follow } from './follow.ts'
import { createKeys, defaultPrefix, parsePrefix } from './keys.ts'
import { grantLease } from './lease.ts'
import { knockAt } from './member.ts'
import { Members } from './members.ts'
import { keyAfter, rangeOf, readWholeRange } from './range.ts'
import { decodeEntry, lenientDecoder } from './records.ts'
import type { Entry, Listing, Store } from './store.ts'
import { requireRoom, storeMembers } from './store-status.ts'
import { Stranded } from './stranded.ts'
import { decodeOutcome, encodeTransaction } from './transaction.ts'
import { type OpenWatch, watchOpener } from './watch-stream.ts'

export interface ConnectOptions {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT` of one or more members. */
  readonly urls: readonly string[]
  /** Where our keys are; default: keys.ts' defaultPrefix. A slash is added at the end. */
  readonly prefix?: string
  readonly tls?: Tls | undefined
  /**
   * Milliseconds of silence after which a call is refused, as long as etcd was
   * not slow before; default 2,300: what takes 2 s still passes.
   */
  readonly callTimeout?: number
  /** Milliseconds until a call is refused though its member shows life; default 10,000. */
  readonly longestCall?: number
  readonly keepalive?: KeepaliveTimes
  /** Milliseconds between a follow's comparisons with a list of keys; default 10 minutes. */
  readonly auditInterval?: number
  /** See FollowParts. */
  readonly mostWaiting?: number | undefined
  /**
   * Learns from etcd where its other members are, and goes on with them where
   * those of `urls` are gone; default false: `urls` are all.
   */
  readonly discover?: boolean
  /** Told the URLs of all members after the first contact and whenever they are others: to begin with next time. */
  readonly onMembers?: (urls: readonly string[]) => void
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
  const {
    urls,
    prefix = defaultPrefix,
    tls,
    keepalive = defaultKeepalive,
    log,
    auditInterval = 600_000,
    mostWaiting,
  } = options
  const { callTimeout = 2_300, longestCall = 10_000 } = options
  const endpoints = parseEtcdUrls(urls, tls !== undefined)
  const keys = createKeys(parsePrefix(prefix))
  const knock = knockAt(keys.cluster.path)
  const members = new Members({ endpoints, tls, callTimeout, longestCall, keepalive, knock })
  const decode = lenientDecoder(log)
  const open = watchOpener(members)
  const openWatch: OpenWatch = (options) => unlessRevoked(open(options), members, knock)
  const stranded = new Stranded()
  const read = async (request: RangeRequest) => {
    const answer = await unlessRevoked(members.read(range, request), members, knock)
    stranded.found()
    return answer
  }
  const closed = new AbortController()

  const close = async () => {
    if (closed.signal.aborted) return
    closed.abort()
    members.close()
  }
  if (options.discover) {
    const { onMembers } = options
    discoverMembers(members, { onMembers, log, signal: closed.signal })
  }
  options.signal?.addEventListener('abort', () => void close(), { once: true, signal: closed.signal })
  if (options.signal?.aborted) void close()

  return {
    keys,
    get urls() {
      return members.urls
    },
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
      const answer = await unlessRevoked(members.once(txn, encodeTransaction(transaction)), members, knock)
      stranded.found()
      return decodeOutcome(transaction, answer)
    },
    follow: (range, signal) =>
      follow(
        range,
        { read, openWatch, decode, stranded, log, auditInterval, mostWaiting, spares: () => members.urls.length - 1 },
        signal,
        closed.signal,
      ),
    grantLease: (ttlSeconds, { keepAlive = true } = {}) =>
      grantLease(members, ttlSeconds, { keepAlive, closed: closed.signal }),
    async probe() {
      const started = performance.now()
      const { header } = await read({ key: Buffer.from(keys.cluster.path), count_only: true })
      return { revision: Number(header.revision), milliseconds: performance.now() - started }
    },
    requireRoom: () => requireRoom(members),
    members: (within = longestCall) => storeMembers(members, within),
    admin: createEtcdAdmin(members, longestCall),
    reconnect: () => members.reconnect(),
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
