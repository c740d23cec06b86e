/** Signals that end with others. */
import { setMaxListeners } from 'node:events'

/**
 * Aborts with the first of these, one of which has to abort in the end: then
 * nothing of it is left in the others. Of `AbortSignal.any` some 70 bytes are,
 * for as long as a source lives (Node 20), and some of ours live as long as
 * the process.
 */
export function firstOf(...sources: readonly AbortSignal[]): AbortSignal {
  const first = new AbortController()
  const { signal } = first
  for (const source of sources) {
    const end = () => first.abort(source.reason)
    if (source.aborted) end()
    else source.addEventListener('abort', end, { once: true, signal })
  }
  // Whatever is under way listens: many are no leak.
  setMaxListeners(0, ...sources)
  return signal
}
