/** Reading a range of keys, in pages. */
import { OverlayError } from '../lib/errors.ts'
import { inSlices } from '../lib/in-slices.ts'
import type { Header, KeyValue, RangeRequest, RangeResponse } from './etcd-api.ts'
import { isCompacted } from './failures.ts'

/** The first key after all that begin with `prefix` (etcd's `range_end`). */
export function rangeEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix)
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end[at] as number
    if (byte === 0xff) continue
    end[at] = byte + 1
    return end.subarray(0, at + 1)
  }
  // No such key, or an empty prefix: to the end of the key space.
  return Buffer.from([0])
}

export function rangeOf(prefix: string): { readonly key: Buffer; readonly range_end: Buffer } {
  return { key: Buffer.from(prefix), range_end: rangeEnd(prefix) }
}

/** The smallest key after `path`. */
export function keyAfter(path: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(path), Buffer.from([0])])
}

export type ReadRange = (request: RangeRequest) => Promise<RangeResponse>

const firstPage = 500
const mostKeys = 5_000
/** Bytes that a page should have: large enough for speed, small enough for the deadline. */
const pageSize = 2 * 1024 * 1024

export interface WholeRange {
  readonly prefix: string
  readonly keysOnly?: boolean
  /** The revision to read at; default: the newest. */
  readonly at?: number | undefined
}

interface ReadItems<R> {
  /** The header of the first answer. */
  readonly header: Header
  /** Of the whole range. */
  readonly revision: number
  readonly items: R[]
}

/**
 * The whole range at one revision, each key mapped; what maps to undefined is
 * left out. A page is mapped while the next one is on its way.
 * @throws as `read`; `unavailable` when the store compacts faster than we read,
 * or has compacted the revision asked for.
 */
export async function readWholeRange<R>(
  read: ReadRange,
  { prefix, keysOnly = false, at }: WholeRange,
  map: (kv: KeyValue) => R | undefined,
): Promise<ReadItems<R>> {
  const whole = { ...rangeOf(prefix), keys_only: keysOnly, ...(at === undefined ? {} : { revision: at }) }
  for (let tries = at === undefined ? 3 : 1; tries > 0; tries--) {
    try {
      return await readPages(read, whole, map)
    } catch (error) {
      if (!isCompacted(error)) throw error
    }
  }
  throw new OverlayError(
    'unavailable',
    `the store is compacted faster than ${prefix} can be listed: compact it less often`,
  )
}

async function readPages<R>(
  read: ReadRange,
  whole: RangeRequest,
  map: (kv: KeyValue) => R | undefined,
): Promise<ReadItems<R>> {
  let page = await read({ ...whole, limit: firstPage })
  const { header } = page
  const revision = whole.revision ?? Number(header.revision)
  const items: R[] = []
  // A page of many keys takes its time: others get turns in between.
  function* take(kvs: readonly KeyValue[]) {
    for (const kv of kvs) {
      yield
      const item = map(kv)
      if (item !== undefined) items.push(item)
    }
  }
  for (;;) {
    const last = page.kvs.at(-1)
    if (!page.more || !last) {
      await inSlices(take(page.kvs))
      return { header, revision, items }
    }
    const next = read({ ...whole, key: keyAfter(last.key), revision, limit: nextLimit(page.kvs) })
    // Not unhandled, should `map` throw first.
    next.catch(() => undefined)
    await inSlices(take(page.kvs))
    page = await next
  }
}

function nextLimit(kvs: readonly KeyValue[]): number {
  const bytes = kvs.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  return Math.max(1, Math.min(mostKeys, Math.floor((pageSize * kvs.length) / bytes)))
}
