/** What waits to be sent on one stream. */
import type { OverlayError } from '../lib/errors.ts'
import { overloaded } from '../lib/overload.ts'

/**
 * Messages in order, taken by one reader as fast as its stream allows. It never
 * holds more than `most`: one that would be too many ends the stream.
 */
export class Outbox<T> implements AsyncIterable<T> {
  readonly #most: number
  readonly #waiting: T[] = []
  #wake: (() => void) | undefined
  #ended = false
  #error: OverlayError | undefined

  constructor(most: number) {
    this.#most = most
  }

  put(message: T): void {
    if (this.#ended) return
    if (this.#waiting.length >= this.#most)
      return this.end(overloaded(`the stream was read too slowly: ${this.#most} messages waited`))
    this.#waiting.push(message)
    this.#wake?.()
  }

  /** @returns whether it still waited, so that the reader never gets it. */
  withdraw(message: T): boolean {
    const place = this.#waiting.indexOf(message)
    if (place < 0) return false
    this.#waiting.splice(place, 1)
    return true
  }

  /** Nothing more is sent, not even what waits; the reader gets `error`, if there is one. */
  end(error?: OverlayError): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#waiting.length = 0
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (!this.#ended) {
      const message = this.#waiting.shift()
      if (message !== undefined) yield message
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
    if (this.#error) throw this.#error
  }
}
