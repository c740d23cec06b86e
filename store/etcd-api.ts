/**
 * The part of etcd's v3 gRPC API that we speak, after rpc.proto and kv.proto
 * of etcd as the package etcd3 carries them. Keys and values are bytes, 64-bit
 * numbers decimal text: revisions fit a number, ids of leases and clusters do
 * not.
 */
import { createRequire } from 'node:module'
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader'

export interface Header {
  readonly cluster_id: string
  readonly revision: string
  readonly raft_term: string
}

export interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  readonly create_revision: string
  readonly mod_revision: string
}

export interface RangeRequest {
  readonly key: Buffer
  readonly range_end?: Buffer
  readonly limit?: number
  readonly revision?: number
  readonly keys_only?: boolean
  readonly count_only?: boolean
}

export interface RangeResponse {
  readonly header: Header
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
  readonly count: string
}

export interface Comparison {
  readonly key: Buffer
  readonly range_end?: Buffer
  readonly result: 'Equal' | 'Less'
  readonly target: 'Create' | 'Mod'
  readonly create_revision?: number
  readonly mod_revision?: number
}

export interface RequestOp {
  readonly request_range?: RangeRequest
  readonly request_put?: { readonly key: Buffer; readonly value: Buffer; readonly lease?: string }
  readonly request_delete_range?: { readonly key: Buffer; readonly range_end?: Buffer }
}

export interface TxnRequest {
  readonly compare: readonly Comparison[]
  readonly success: readonly RequestOp[]
  readonly failure: readonly RequestOp[]
}

export interface TxnResponse {
  readonly header: Header
  readonly succeeded: boolean
  readonly responses: readonly { readonly response_range?: RangeResponse }[]
}

export interface WatchRequest {
  readonly create_request: {
    readonly key: Buffer
    readonly range_end: Buffer
    readonly start_revision: number
    readonly progress_notify: boolean
  }
}

export interface WatchResponse {
  readonly header: Header
  readonly created: boolean
  readonly canceled: boolean
  /** Not "0" when the start revision is compacted: the earliest that is left. */
  readonly compact_revision: string
  readonly cancel_reason: string
  readonly events: readonly { readonly type: 'Put' | 'Delete'; readonly kv: KeyValue }[]
}

/** In answers TTL is in seconds, "0" once the lease has expired. */
export interface LeaseAnswer {
  readonly ID: string
  readonly TTL: string
}

/** What a member says of itself, without asking the others. */
export interface StatusResponse {
  readonly header: Header & { readonly member_id: string }
  /** The id of the member that it believes to lead; "0": none. */
  readonly leader: string
  /** For example `etcdserver: no leader`, `memberID:1 alarm:NOSPACE `. */
  readonly errors: readonly string[]
}

export interface MemberListResponse {
  readonly members: readonly {
    readonly ID: string
    /** Empty: it was added and has not started yet. */
    readonly name: string
    readonly clientURLs: readonly string[]
  }[]
}

/** How to call one method: its HTTP/2 path and its codec. */
export interface ApiMethod<I, O> {
  readonly path: string
  readonly encode: (request: I) => Buffer
  readonly decode: (bytes: Buffer) => O
}

const api = loadSync(createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto'), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
})

function method<I extends object, O>(service: string, name: string): ApiMethod<I, O> {
  const found = (api[`etcdserverpb.${service}`] as ServiceDefinition | undefined)?.[name] as
    | MethodDefinition<I, O>
    | undefined
  if (!found) throw new Error(`etcd's API has no ${service}/${name}`)
  return { path: found.path, encode: found.requestSerialize, decode: found.responseDeserialize }
}

export const range = method<RangeRequest, RangeResponse>('KV', 'Range')
export const txn = method<TxnRequest, TxnResponse>('KV', 'Txn')
export const leaseGrant = method<{ readonly TTL: number }, LeaseAnswer>('Lease', 'LeaseGrant')
export const leaseRevoke = method<{ readonly ID: string }, object>('Lease', 'LeaseRevoke')
export const memberStatus = method<object, StatusResponse>('Maintenance', 'Status')
export const memberList = method<object, MemberListResponse>('Cluster', 'MemberList')
/** A stream both ways. */
export const leaseKeepAlive = method<{ readonly ID: string }, LeaseAnswer>('Lease', 'LeaseKeepAlive')
/** A stream both ways. */
export const watch = method<WatchRequest, WatchResponse>('Watch', 'Watch')
