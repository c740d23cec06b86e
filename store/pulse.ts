/**
 * How a member of the etcd cluster answers: when it was last heard of, and how
 * slow it has been of late. By that a slow member is told from one that is frozen.
 */

export interface PulseOptions {
  /** Milliseconds of silence after which a member counts as gone, as long as it was not slow before. */
  readonly quiet: number
  /** Milliseconds that the answer to one call may take, as long as the member shows life. */
  readonly longest: number
}

/** Of a latency that was, so much counts when the next answer is quicker. */
const memory = 0.7

export class Pulse {
  readonly #options: PulseOptions
  #heardAt = Number.NEGATIVE_INFINITY
  /** Milliseconds: the latest, or what is left of the worst before. */
  #latency = 0

  constructor(options: PulseOptions) {
    this.#options = options
  }

  /** When it last answered, by `performance.now`. */
  get heardAt(): number {
    return this.#heardAt
  }

  /** An answer came to what was sent then. */
  heard(sentAt: number, now = performance.now()): void {
    this.#heardAt = Math.max(this.#heardAt, now)
    this.#latency = Math.max(now - sentAt, this.#latency * memory)
  }

  /** So many milliseconds nothing may be heard of it until a call is given up. */
  patience(): number {
    const { quiet, longest } = this.#options
    return Math.min(longest, Math.max(quiet, 2 * this.#latency))
  }

  /** After so many milliseconds without an answer another member is asked as well. */
  hedge(): number {
    const { quiet, longest } = this.#options
    return Math.min(longest, Math.max(quiet / 4, 1.5 * this.#latency))
  }
}
