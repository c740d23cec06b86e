/** When to stop waiting for others, so that the caller still gets our answer. */
import type { CallContext } from '../lib/rpc-server.ts'

/** What setTimeout takes at most: 24 days. */
const longestTimer = 2 ** 31 - 1

/**
 * Aborts when the caller is gone, and shortly before its deadline (a tenth of
 * what is left, 50 to 1000 ms): at the deadline itself it would be told only
 * that time is up, not what was missing.
 */
export function answerBy({ signal, deadline }: CallContext, now = Date.now()): AbortSignal {
  const left = deadline - now
  if (left > longestTimer) return signal
  const over = new AbortController()
  const end = () => {
    clearTimeout(timer)
    over.abort()
  }
  // AbortSignal.any and AbortSignal.timeout together may be collected as garbage before the time is up (Node 20).
  const timer = setTimeout(end, left - Math.min(Math.max(left / 10, 50), 1_000)).unref()
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true, signal: over.signal })
  return over.signal
}
