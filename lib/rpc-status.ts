/** The one place where our errors become gRPC statuses, and back. */
import { Metadata, status } from '@grpc/grpc-js'
import { type ErrorCode, OverlayError } from './errors.ts'

const statusOf = {
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  invalid: status.INVALID_ARGUMENT,
  conflict: status.ABORTED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  failed_precondition: status.FAILED_PRECONDITION,
  deadline: status.DEADLINE_EXCEEDED,
  internal: status.INTERNAL,
} as const satisfies Record<ErrorCode, status>

const codeOf = new Map<number, ErrorCode>([
  ...Object.entries(statusOf).map(([code, number]) => [number, code as ErrorCode] as const),
  // The other side ended the call, as one does that shuts down; what we give up ourselves is told by other means.
  [status.CANCELLED, 'unavailable'],
])

/**
 * Bytes of a message, as it is encoded: it travels in a header, and a peer that
 * gets more than it takes (Node 64 KiB for all, others 16) breaks the connection
 * that all calls share.
 */
const mostBytes = 12 * 1024

/** In the trailers: milliseconds until another attempt (gRPC A6, "client retry"). */
const pushback = 'grpc-retry-pushback-ms'

export interface Failure {
  readonly code: status
  readonly details: string
  readonly metadata?: Metadata
}

/** What grpc-js wants to be given to fail a call. */
export function toStatus({ code, message, retryAfter }: OverlayError): Failure {
  const failure = { code: statusOf[code], details: fitting(message) }
  if (retryAfter === undefined) return failure
  const metadata = new Metadata()
  metadata.set(pushback, String(Math.round(retryAfter)))
  return { ...failure, metadata }
}

/** Halves of characters, which grpc-js' encodeURI throws at, are replaced; too long a message is cut. */
function fitting(message: string): string {
  let shown = ''
  let bytes = 0
  for (const character of message) {
    const whole = character.replace(/\p{Cs}/u, '\ufffd')
    bytes += encodeURI(whole).length
    if (bytes > mostBytes) return `${shown}… (and more)`
    shown += whole
  }
  return shown
}

/** An error of grpc-js, or whatever else was thrown, as ours. */
export function fromStatus(thrown: unknown): OverlayError {
  if (thrown instanceof OverlayError) return thrown
  if (!(thrown instanceof Error) || !('code' in thrown)) return OverlayError.from(thrown)
  const code = codeOf.get(Number(thrown.code)) ?? 'internal'
  const details = 'details' in thrown && typeof thrown.details === 'string' ? thrown.details : thrown.message
  return new OverlayError(code, details || thrown.message, { cause: thrown, retryAfter: retryAfterOf(thrown) })
}

function retryAfterOf(thrown: Error): number | undefined {
  const [value] = 'metadata' in thrown && thrown.metadata instanceof Metadata ? thrown.metadata.get(pushback) : []
  // A negative one says "do not repeat it": that is what we do by ourselves.
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : undefined
}
