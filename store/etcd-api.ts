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

export interface ListedMember {
  readonly ID: string
  /** Empty: it was added and has not started yet. */
  readonly name: string
  readonly peerURLs: readonly string[]
  readonly clientURLs: readonly string[]
  readonly isLearner: boolean
}

export interface MemberListResponse {
  readonly members: readonly ListedMember[]
}

/** Etcd 3.4 answers from what the member itself knows, later versions as told. */
export interface MemberListRequest {
  readonly linearizable?: boolean
}

/** Of 3.4 and later. */
export interface Permission {
  readonly permType: 'Read' | 'Write' | 'Readwrite'
  readonly key: Buffer
  /** Empty: the one key. */
  readonly range_end: Buffer
}

export interface UserAddRequest {
  readonly name: string
  readonly options: { readonly no_password: boolean }
}

export interface SnapshotResponse {
  readonly remaining_bytes: string
  readonly blob: Buffer
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
export const memberList = method<MemberListRequest, MemberListResponse>('Cluster', 'MemberList')
export const memberAdd = method<
  { readonly peerURLs: readonly string[]; readonly isLearner: boolean },
  MemberListResponse & { readonly member: ListedMember }
>('Cluster', 'MemberAdd')
export const memberPromote = method<{ readonly ID: string }, MemberListResponse>('Cluster', 'MemberPromote')
export const memberRemove = method<{ readonly ID: string }, MemberListResponse>('Cluster', 'MemberRemove')
/** A stream of answers. */
export const snapshot = method<object, SnapshotResponse>('Maintenance', 'Snapshot')
export const authenticate = method<{ readonly name: string; readonly password: string }, object>('Auth', 'Authenticate')
export const authEnable = method<object, object>('Auth', 'AuthEnable')
export const userAdd = method<UserAddRequest, object>('Auth', 'UserAdd')
export const userDelete = method<{ readonly name: string }, object>('Auth', 'UserDelete')
export const userList = method<object, { readonly users: readonly string[] }>('Auth', 'UserList')
export const userGet = method<{ readonly name: string }, { readonly roles: readonly string[] }>('Auth', 'UserGet')
export const userGrantRole = method<{ readonly user: string; readonly role: string }, object>('Auth', 'UserGrantRole')
export const userRevokeRole = method<{ readonly name: string; readonly role: string }, object>('Auth', 'UserRevokeRole')
export const roleAdd = method<{ readonly name: string }, object>('Auth', 'RoleAdd')
export const roleDelete = method<{ readonly role: string }, object>('Auth', 'RoleDelete')
export const roleList = method<object, { readonly roles: readonly string[] }>('Auth', 'RoleList')
export const roleGet = method<{ readonly role: string }, { readonly perm: readonly Permission[] }>('Auth', 'RoleGet')
export const roleGrant = method<{ readonly name: string; readonly perm: Permission }, object>(
  'Auth',
  'RoleGrantPermission',
)
export const roleRevoke = method<{ readonly role: string; readonly key: Buffer; readonly range_end: Buffer }, object>(
  'Auth',
  'RoleRevokePermission',
)
/** A stream both ways. */
export const leaseKeepAlive = method<{ readonly ID: string }, LeaseAnswer>('Lease', 'LeaseKeepAlive')
/** A stream both ways. */
export const watch = method<WatchRequest, WatchResponse>('Watch', 'Watch')
