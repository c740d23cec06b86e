/** What the store can do: the types that callers see. `connect` makes one. */

import { isDeepStrictEqual } from 'node:util'
import { OverlayError } from '../lib/errors.ts'
import type { Init, JsonObject, MessageType, StoreMember } from '../proto/index.ts'
import type { EtcdAdmin } from './etcd-admin.ts'
import type { Keys } from './keys.ts'

/** etcd's revision of the whole store. Exact as a number up to 2^53. */
export type Revision = number

/** One key and what its value is; null: a key without a value. */
export interface Key<T> {
  /** The whole key, prefix included. */
  readonly path: string
  readonly type: MessageType<T> | null
}

/** All keys that begin with `prefix`. */
export interface Range<T> {
  readonly prefix: string
  readonly type: MessageType<T> | null
}

export interface Entry<T> {
  readonly path: string
  readonly value: T
  /** The record as it stands in etcd, with fields of versions newer than ours. */
  readonly json: JsonObject
  readonly createRevision: Revision
  readonly modRevision: Revision
}

/** A range as it was at one revision. */
export interface Listing<T> {
  readonly entries: readonly Entry<T>[]
  /** The keys whose records cannot be read: they are not among the entries. */
  readonly unreadable: readonly string[]
  readonly revision: Revision
}

export interface Page<T> extends Listing<T> {
  /** Give it to the next call; undefined on the last page. */
  readonly next: string | undefined
}

export type Change<T> =
  | { readonly kind: 'put'; readonly entry: Entry<T> }
  | { readonly kind: 'delete'; readonly path: string; readonly modRevision: Revision }

/**
 * What following a range gives: first a snapshot; then changes, each exactly
 * once and in order, however often the connection breaks; a snapshot again
 * where history is gone (compacted, another cluster, went back), or where more
 * changes wait than a slow consumer is to be told one by one. A record that
 * cannot be read is passed over: what was told of its key before stays, also
 * over a snapshot.
 */
export type Update<T> =
  | {
      readonly kind: 'snapshot'
      readonly entries: readonly Entry<T>[]
      /** All keys of the range, also those whose records cannot be read: only what is not among them is gone. */
      readonly paths: readonly string[]
      readonly revision: Revision
      /**
       * The store's history is not the one that was followed before: another
       * cluster, or one that went back. False when it was only compacted.
       */
      readonly historyBroken: boolean
    }
  /** All up to `revision` has been told. After `lost` it may have no changes: the connection is back. */
  | { readonly kind: 'changes'; readonly changes: readonly Change<T>[]; readonly revision: Revision }
  /** Said once: the connection is lost; what was seen stays true until told otherwise. */
  | { readonly kind: 'lost'; readonly error: OverlayError }

export type Compare =
  | { readonly on: 'key'; readonly path: string; readonly createRevision: Revision }
  | { readonly on: 'key'; readonly path: string; readonly modRevision: Revision }
  | { readonly on: 'range'; readonly prefix: string; readonly emptyOrUnchangedSince: 'empty' | Revision }

export type Write =
  | { readonly do: 'put'; readonly path: string; readonly value: string; readonly lease: Lease | undefined }
  | { readonly do: 'delete'; readonly path: string }
  | { readonly do: 'delete-range'; readonly prefix: string }

/** One transaction: all of `writes`, or, if a compare fails, none. */
export interface Transaction {
  readonly compares: readonly Compare[]
  readonly writes: readonly Write[]
  /** Read in the same transaction when a compare failed. */
  readonly otherwise?: readonly Key<unknown>[]
}

export type Outcome =
  | { readonly committed: true; readonly revision: Revision }
  | {
      readonly committed: false
      readonly revision: Revision
      /** The entries of `otherwise`, in its order. */
      readonly found: readonly (Entry<unknown> | undefined)[]
    }

/** The answer to a transaction never came: it may have committed, or still will. */
export class OutcomeUnknownError extends OverlayError {
  constructor(cause: unknown) {
    super('unavailable', 'the store did not answer in time; whether the change was made is not known yet', { cause })
  }
}

/** etcd takes no writes until somebody has made room: it answers all the same. */
export class StoreFullError extends OverlayError {
  constructor(cause?: unknown) {
    super(
      'unavailable',
      'etcd is full and takes no writes (alarm NOSPACE): make room with "etcdctl compact" and "etcdctl defrag" (or give it a larger --quota-backend-bytes), then run "etcdctl alarm disarm"',
      { cause },
    )
  }
}

/** Etcd has no user of this client's certificate: nothing is answered, now or later. */
export class RevokedError extends OverlayError {
  constructor(cause?: unknown) {
    super(
      'permission_denied',
      'this node\'s certificate was revoked (node rm): join again ("overlayctl cluster join")',
      // Somebody has to do something about it.
      { cause, retryAfter: 10_000 },
    )
  }
}

export interface Lease {
  readonly id: string
  /**
   * Aborts when the lease is lost, no later than its time to live after the
   * last renewal, or when the store is closed: its keys are, or soon will be,
   * gone. Not when it is revoked.
   */
  readonly lost: AbortSignal
  /** Removes its keys. @throws OverlayError `unavailable`: then they go when its time is over. */
  revoke(): Promise<void>
}

export interface Store {
  readonly keys: Keys
  /** Of the members that are known now. */
  readonly urls: readonly string[]
  /**
   * @throws OverlayError `unavailable` when no etcd answers in time, and
   * RevokedError when it knows this client no more (all methods); `internal`, naming the key, when the record cannot be read.
   */
  get<T>(key: Key<T>): Promise<Entry<T> | undefined>
  /**
   * The whole range at one revision, fetched in pages, without records that
   * cannot be read. `at` asks for that revision, so that several ranges are of one
   * moment: `unavailable` when it is compacted.
   */
  list<T>(range: Range<T>, options?: { readonly at?: Revision }): Promise<Listing<T>>
  /** The keys of the whole range at one revision, without their values: for large ranges. */
  paths(range: Range<unknown>): Promise<{ readonly paths: readonly string[]; readonly revision: Revision }>
  /** `at` as of `list`: `conflict` when that revision is compacted. */
  page<T>(range: Range<T>, options: { limit: number; after?: string | undefined; at?: Revision }): Promise<Page<T>>
  count(range: Range<unknown>): Promise<number>
  /**
   * Sent once, never repeated by itself.
   * @throws OutcomeUnknownError when it may have committed all the same; any
   * other error means that nothing was written: `conflict` when a lease in it
   * is gone, `invalid` when a record is larger than etcd takes, `internal` with
   * more than 128 operations.
   */
  commit(transaction: Transaction): Promise<Outcome>
  /** Ends when `signal` aborts, never by itself. */
  follow<T>(range: Range<T>, signal: AbortSignal): AsyncIterable<Update<T>>
  /**
   * Kept alive until revoked, lost, or the store is closed; with `keepAlive:
   * false` it runs out by itself after its time to live.
   */
  grantLease(ttlSeconds: number, options?: { keepAlive?: boolean }): Promise<Lease>
  /** The store's current revision, and how long the question took. */
  probe(): Promise<{ revision: Revision; milliseconds: number }>
  /** @throws StoreFullError while etcd takes no writes, though it can be read. */
  requireRoom(): Promise<void>
  /**
   * The members of the etcd cluster, by name, and what is wrong with each. Those
   * that we have no URL of are not asked. One that has not answered after `within`
   * milliseconds, by default as long as a call takes, has not answered.
   */
  members(within?: number): Promise<StoreMember[]>
  /** Etcd itself, for controllers. */
  readonly admin: EtcdAdmin
  /** For a host whose address has changed: connections from the old one are dead, and would only be found so after a while. */
  reconnect(): void
  close(): Promise<void>
}

/** Typed writes and compares, so that a key only ever takes its own record. */
export const absent = (key: Key<unknown>): Compare => ({ on: 'key', path: key.path, createRevision: 0 })
export const createdAt = (key: Key<unknown>, createRevision: Revision): Compare => ({
  on: 'key',
  path: key.path,
  createRevision,
})
export const unchanged = (entry: { path: string; modRevision: Revision }): Compare => ({
  on: 'key',
  path: entry.path,
  modRevision: entry.modRevision,
})
/** Nothing in the range was written after `revision` (deletions do not count). */
export const rangeUnchanged = (range: Range<unknown>, revision: Revision): Compare => ({
  on: 'range',
  prefix: range.prefix,
  emptyOrUnchangedSince: revision,
})
export const rangeEmpty = (range: Range<unknown>): Compare => ({
  on: 'range',
  prefix: range.prefix,
  emptyOrUnchangedSince: 'empty',
})

export interface PutOptions<T> {
  readonly lease?: Lease | undefined
  /** The entry that this one replaces: fields that we do not know survive. */
  readonly over?: Entry<T> | undefined
}

export function put<T>(key: Key<T>, value: Init<T>, { lease, over }: PutOptions<T> = {}): Write {
  return { do: 'put', path: key.path, value: encodeRecord(key.type, value, over?.json), lease }
}
export const remove = (key: Key<unknown>): Write => ({ do: 'delete', path: key.path })
export const removeRange = (range: Range<unknown>): Write => ({ do: 'delete-range', prefix: range.prefix })

function encodeRecord<T>(type: MessageType<T> | null, value: Init<T>, over: JsonObject | undefined): string {
  if (!type) return ''
  const json = type.toJson(value)
  if (!over) return JSON.stringify(json)
  // What we know of the old record and change is written anew. The rest stays as it was: fields that we do not know,
  // and those with something in them that we do not know, a value of an enum for example.
  const known = Object.keys(type.create() as object)
  const before = type.toJson(type.fromJson(over) as Init<T>)
  const isKept = (field: string) => !known.includes(field) || isDeepStrictEqual(before[field], json[field])
  const kept = Object.fromEntries(Object.entries(over).filter(([field]) => isKept(field)))
  return JSON.stringify({ ...json, ...kept })
}
