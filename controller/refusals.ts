/** Collects what a request is refused for because of what there is, so that one answer names it all. */
import { OverlayError } from '../lib/errors.ts'

export class Refusals {
  readonly #found: OverlayError[] = []

  /** Undefined when it is refused. Errors that say nothing of the request pass through. */
  try<T>(decide: () => T): T | undefined {
    try {
      return decide()
    } catch (error) {
      return this.#note(error)
    }
  }

  /** The same of two that take time, at once. What is refused is told in their order, not in that of the clock. */
  async both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A | undefined, B | undefined]> {
    const [a, b] = await Promise.allSettled([first, second])
    return [
      a.status === 'fulfilled' ? a.value : this.#note(a.reason),
      b.status === 'fulfilled' ? b.value : this.#note(b.reason),
    ]
  }

  /** The same of one that takes time. */
  async wait<T>(decision: Promise<T>): Promise<T | undefined> {
    return decision.catch((error: unknown) => this.#note(error))
  }

  /** @throws OverlayError with all, and the code of the first, if there are any. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw this.error()
  }

  /** All in one, with the code of the first. */
  error(): OverlayError {
    const [first, ...others] = this.#found
    if (!first) return new OverlayError('internal', 'nothing was refused')
    return others.length === 0
      ? first
      : new OverlayError(first.code, this.#found.map((error) => error.message).join('; '))
  }

  #note(error: unknown): undefined {
    if (!(error instanceof OverlayError) || error.code === 'internal' || error.code === 'unavailable') throw error
    this.#found.push(error)
  }
}
