/** The one way to wait and to try again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OverlayError } from './errors.ts'
import { firstOf } from './signals.ts'

/** Delays in milliseconds: `first`, doubled up to `most`, each with jitter from half of it to all. */
export interface Backoff {
  readonly first: number
  readonly most: number
}

const defaultBackoff: Backoff = { first: 50, most: 5_000 }

/** The jittered delay before attempt `attempt` (0 is the first repeat). */
export function delayBefore(attempt: number, { first, most }: Backoff = defaultBackoff): number {
  const ceiling = Math.min(most, first * 2 ** Math.min(attempt, 30))
  return ceiling / 2 + (Math.random() * ceiling) / 2
}

/** Waits; returns early, without an error, when one of the signals aborts. */
export async function pause(milliseconds: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  const done = new AbortController()
  const signal = firstOf(done.signal, ...signals.filter((each) => each !== undefined))
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined)
  done.abort()
}

export interface RetryOptions {
  readonly signal: AbortSignal
  readonly backoff?: Backoff
  /** Whether this error is worth another attempt; default: every one. */
  readonly worthwhile?: (error: unknown) => boolean
  /** Told before each wait. */
  readonly onRetry?: (error: unknown, attempt: number, delay: number) => void
}

/**
 * Runs `action` until it succeeds. Where an error tells when to try again
 * (`retryAfter`), that is not done before.
 * @throws what `action` threw last, when the signal aborts or the error is not
 * worthwhile.
 */
export async function retry<T>(action: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, backoff, worthwhile = () => true, onRetry } = options
  for (let attempt = 0; ; attempt++) {
    try {
      return await action(attempt)
    } catch (error) {
      if (signal.aborted || !worthwhile(error)) throw error
      const delay = Math.max(delayBefore(attempt, backoff), OverlayError.from(error).retryAfter ?? 0)
      onRetry?.(error, attempt, delay)
      await pause(delay, signal)
      if (signal.aborted) throw error
    }
  }
}
