/** Requests that are no messages of their kind. */
import type { AnyMethod } from '../proto/index.ts'
import { OverlayError } from './errors.ts'

/** A request that cannot be read. Thrown by the decoder it would reach the caller as an error of ours. */
export class Unreadable {
  readonly error: OverlayError

  constructor(error: OverlayError) {
    this.error = error
  }
}

export function decoded(type: AnyMethod['input'], bytes: Buffer): unknown {
  try {
    return type.decode(bytes)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return new Unreadable(new OverlayError('invalid', `this is no ${type.name}: ${why}`, { cause: error }))
  }
}

/** @throws OverlayError `invalid` when it could not be read. */
export function readable(request: unknown): unknown {
  if (request instanceof Unreadable) throw request.error
  return request
}
