/** The one place where etcd's and gRPC's errors become ours. */
import { type ServiceError, status } from '@grpc/grpc-js'
import { type ErrorCode, OverlayError } from '../lib/errors.ts'
import { SilentError } from './connection.ts'
import { StoreFullError } from './store.ts'

/**
 * Whether etcd itself said no, so that nothing was written and no other member
 * would say otherwise. UNAVAILABLE is never a refusal: etcd also answers so
 * when it has proposed a change and not heard of its end.
 */
export function isRefusal(error: unknown): error is ServiceError {
  if (!isServiceError(error)) return false
  if (isOldAuth(error) || isUnhealthy(error) || isUnknownUser(error)) return true
  // A full store, or too many requests; else it is HTTP/2's, in the middle of a call.
  if (error.code === status.RESOURCE_EXHAUSTED) return /^(etcdserver|grpc):/.test(error.details)
  return refusals.has(error.code)
}

const refusals: ReadonlySet<status> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
])

/**
 * Whether the member refused for want of a leader, before it did anything. It
 * does where the call says `hasleader` (etcd's interceptor.go), so that nothing
 * was written, and nothing will be.
 */
export function isWithoutLeader(error: unknown): boolean {
  return isServiceError(error) && error.code === status.UNAVAILABLE && error.details === 'etcdserver: no leader'
}

/** Whether a call failed because the leader is just being replaced: then it pays to wait for the new one. */
export function isElection(error: unknown): boolean {
  return isServiceError(error) && error.code === status.UNAVAILABLE && /leader/.test(error.details)
}

/**
 * Whether etcd's users or roles were changed while the request was on its way: it
 * was not carried out, and the same is worth another try at once. Older etcd 3.4
 * says it without a code of its own (rpctypes.ErrAuthOldRevision).
 */
export function isOldAuth(error: unknown): boolean {
  return (
    isServiceError(error) &&
    (error.details === 'auth: revision in header is old' ||
      error.details === 'etcdserver: revision of auth store is old')
  )
}

/** Whether etcd has no user of the client's certificate, as 3.4 says it where it wants its root. */
function isUnknownUser(error: ServiceError): boolean {
  return error.details === 'auth: user not found'
}

/** Whether etcd does not change its members for now, because some of them are not long connected: before it did anything. */
export function isUnhealthy(error: unknown): boolean {
  return isServiceError(error) && error.details === 'etcdserver: unhealthy cluster'
}

/** What etcd refused, as our error. */
export function refusal(error: ServiceError): OverlayError {
  if (isFull(error)) return new StoreFullError(error)
  const { code, message } = explain(error)
  return new OverlayError(code, `${message}: ${error.details}`, { cause: error })
}

function explain(error: ServiceError): { code: ErrorCode; message: string } {
  if (isCompacted(error)) return { code: 'conflict', message: 'the store no longer has that revision' }
  if (error.code === status.NOT_FOUND)
    return { code: 'conflict', message: 'the lease of this change is gone, nothing was written' }
  if (/too large|larger than max/.test(error.details))
    return { code: 'invalid', message: 'the record is larger than etcd takes (its --max-request-bytes)' }
  if (error.code === status.RESOURCE_EXHAUSTED)
    return {
      code: 'unavailable',
      message: 'the store takes no more requests for now',
    }
  if (isOldAuth(error)) return { code: 'unavailable', message: "the store's users are being changed: try again" }
  if (isUnhealthy(error))
    return { code: 'unavailable', message: 'etcd changes no members while some are not long connected: try again' }
  if (error.code === status.PERMISSION_DENIED || isUnknownUser(error))
    return { code: 'permission_denied', message: 'the store denies it' }
  if (error.code === status.UNAUTHENTICATED)
    return { code: 'unauthenticated', message: 'the store does not know this client' }
  return { code: 'internal', message: 'the store refused the request' }
}

function isFull({ code, details }: ServiceError): boolean {
  return code === status.RESOURCE_EXHAUSTED && details.includes('database space exceeded')
}

/** No member answered, each for its reason. */
export function unavailable(urls: readonly string[], reasons: readonly string[], cause: unknown): OverlayError {
  const why = [...new Set(reasons)].join('; ')
  return new OverlayError(
    'unavailable',
    `no etcd answers at ${urls.join(', ')}: ${why}. Check that etcd runs there and that --etcd names it`,
    { cause },
  )
}

export function reasonOf(error: unknown): string {
  if (error instanceof SilentError) return 'it accepts connections but did not answer in time'
  if (!isServiceError(error)) return tidy(error instanceof Error ? error.message : String(error))
  if (error.code === status.DEADLINE_EXCEEDED) return 'it accepts connections but did not answer in time'
  return tidy(error.details)
}

/** Whether history up to a revision that was asked for is compacted away. */
export function isCompacted(error: unknown): boolean {
  const origin = error instanceof OverlayError ? error.cause : error
  return isServiceError(origin) && origin.code === status.OUT_OF_RANGE && origin.details.includes('compacted')
}

/** What etcd itself said, of its error or ours. */
export function detailsOf(error: unknown): string | undefined {
  const origin = error instanceof OverlayError ? error.cause : error
  return isServiceError(origin) ? origin.details : undefined
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
}

/** grpc-js' own frame around the reason says nothing to a person. */
function tidy(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\. Resolution note: .*$/, '')
    .trim()
}
