/** Collects every fault of a request, so that one answer names them all. */
import { hasCode, OverlayError } from './errors.ts'

export class Faults {
  readonly #found: string[] = []

  add(fault: string): void {
    this.#found.push(fault)
  }

  /**
   * Runs a parser and notes its `invalid` error, after the field's name (unless
   * it begins with that), as a fault; undefined then. Other errors pass through.
   */
  try<T>(field: string, parse: () => T): T | undefined {
    try {
      return parse()
    } catch (error) {
      if (!hasCode(error, 'invalid')) throw error
      this.add(error.message.startsWith(`${field} `) ? error.message : `${field}: ${error.message}`)
      return undefined
    }
  }

  /** @throws OverlayError `invalid`, with all faults, if there are any. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw new OverlayError('invalid', this.#found.join('; '))
  }
}
