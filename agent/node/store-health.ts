/** Whether the store answers, and takes writes: so that callers are refused at once while it does not. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { type Backoff, delayBefore, pause, retry } from '../../lib/retry.ts'
import { type Store, StoreFullError } from '../../store/store.ts'

export interface StoreHealth {
  /** The error of the last call, while the store is away, or full. */
  problem(): OverlayError | undefined
  /** Aborts when the store is found to be away; after its return there is a new one. */
  away(): AbortSignal
  /** @throws OverlayError `unavailable` at once while the store is away. */
  require(): void
  /** Runs `action`; `unavailable` from it means that the store is away. */
  observe<T>(action: () => Promise<T>): Promise<T>
  /** The store was found to be away by other means. */
  note(error: OverlayError): void
}

/** After so many milliseconds of health a loss is the first one again. */
const steady = 10_000
/** Between questions whether it is back. */
const betweenProbes: Backoff = { first: 100, most: 1_000 }
/** Between losses that follow each other: a store that is read may still refuse to be written. */
const betweenLosses: Backoff = { first: 100, most: 5_000 }

/**
 * `onRecovered` is called each time when the store answers again, more slowly
 * when it is lost again and again. `now` is a monotonic clock in milliseconds.
 */
export function createStoreHealth(
  store: Pick<Store, 'probe' | 'requireRoom' | 'urls'>,
  signal: AbortSignal,
  log: Logger,
  onRecovered: () => void,
  now = () => performance.now(),
): StoreHealth {
  let problem: OverlayError | undefined
  let away = new AbortController()
  /** Losses since the store was last steadily there. */
  let losses = 0
  let recoveredAt = -Infinity
  /** A full store can be read: only when it has room is it back. */
  const isBack = async () => {
    await store.probe()
    if (problem instanceof StoreFullError) await store.requireRoom()
  }
  const awaitRecovery = async () => {
    if (now() - recoveredAt >= steady) losses = 0
    if (losses++ > 0) await pause(delayBefore(losses - 2, betweenLosses), signal)
    signal.throwIfAborted()
    await retry(isBack, {
      signal,
      backoff: betweenProbes,
      onRetry: (error) => {
        problem = OverlayError.from(error)
      },
    })
    problem = undefined
    recoveredAt = now()
    away = new AbortController()
    log.info('store answers again')
    onRecovered()
  }
  const note = (error: OverlayError) => {
    if (problem || signal.aborted) return
    problem = error
    away.abort()
    log.warn({ err: error }, 'store is away; what runs goes on unchanged')
    // Ends with an error only when the agent stops.
    awaitRecovery().catch(() => undefined)
  }
  return {
    problem: () => problem,
    away: () => away.signal,
    note,
    require() {
      if (!problem) return
      if (problem instanceof StoreFullError) throw problem
      throw new OverlayError(
        'unavailable',
        `the store (${store.urls.join(', ')}) cannot be reached, so no address can be claimed; what is attached goes on: ${problem.message}`,
        { cause: problem },
      )
    },
    async observe(action) {
      try {
        return await action()
      } catch (error) {
        if (hasCode(error, 'unavailable')) note(error)
        throw error
      }
    },
  }
}
