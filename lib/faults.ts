/** Collects every fault of a request, so that one answer names them all. */
import { hasCode, OverlayError } from './errors.ts'

/** More of one request help nobody, and a hostile one could have millions. */
const most = 200

export class Faults {
  readonly #found: string[] = []
  #more = 0

  add(fault: string): void {
    if (this.#found.length < most) this.#found.push(fault)
    else this.#more++
  }

  /** The first ones, and how many more there are. */
  get all(): readonly string[] {
    return this.#more === 0 ? this.#found : [...this.#found, `and ${this.#more} more`]
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
    if (this.#found.length > 0) throw new OverlayError('invalid', this.all.join('; '))
  }
}
