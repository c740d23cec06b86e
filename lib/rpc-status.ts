/** The one place where our errors become gRPC statuses, and back. */
import { status } from '@grpc/grpc-js'
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

const codeOf = new Map<number, ErrorCode>(Object.entries(statusOf).map(([code, number]) => [number, code as ErrorCode]))

/** What grpc-js wants to be given to fail a call. */
export function toStatus(error: OverlayError): { code: status; details: string } {
  return { code: statusOf[error.code], details: error.message }
}

/** An error of grpc-js, or whatever else was thrown, as ours. */
export function fromStatus(thrown: unknown): OverlayError {
  if (thrown instanceof OverlayError) return thrown
  if (!(thrown instanceof Error) || !('code' in thrown)) return OverlayError.from(thrown)
  const code = codeOf.get(Number(thrown.code)) ?? 'internal'
  const details = 'details' in thrown && typeof thrown.details === 'string' ? thrown.details : thrown.message
  return new OverlayError(code, details || thrown.message, { cause: thrown })
}
