/** The one error class of the project, with its closed set of codes. */

export const errorCodes = [
  'not_found',
  'already_exists',
  'invalid',
  'conflict',
  'exhausted',
  'unavailable',
  'unauthenticated',
  'permission_denied',
  'failed_precondition',
  'deadline',
  'internal',
] as const

export type ErrorCode = (typeof errorCodes)[number]

export interface OverlayErrorOptions extends ErrorOptions {
  readonly retryAfter?: number | undefined
}

/**
 * An error that a person can act on: the message says what, why, and what to
 * do. `code` decides what a program does with it; the cause is kept for the
 * log.
 */
export class OverlayError extends Error {
  override readonly name = 'OverlayError'
  readonly code: ErrorCode
  /** Milliseconds until the same is worth another attempt, where that is known; the message says it too. */
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, options: OverlayErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.retryAfter = options.retryAfter
  }

  /** The same refusal in other words: its code and its `retryAfter` stay, and this is the cause. */
  saying(message: string): OverlayError {
    return new OverlayError(this.code, message, { cause: this, retryAfter: this.retryAfter })
  }

  /** Any thrown value as an OverlayError; what is not one becomes `internal`. */
  static from(thrown: unknown): OverlayError {
    if (thrown instanceof OverlayError) return thrown
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return new OverlayError('internal', message, { cause: thrown })
  }
}

/** Wrong usage of a program: exit code 2. */
export class UsageError extends OverlayError {
  constructor(message: string) {
    super('invalid', message)
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return (errorCodes as readonly string[]).includes(text)
}

/** Whether `thrown` is an OverlayError of that code. */
export function hasCode(thrown: unknown, code: ErrorCode): thrown is OverlayError {
  return thrown instanceof OverlayError && thrown.code === code
}
