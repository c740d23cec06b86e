/** Signals that end with others. */
import { setMaxListeners } from 'node:events'

/**
 * Aborts with the first of these, one of which has to abort in the end: then
 * nothing of it is left in the others, some of which live as long as the
 * process. Of `AbortSignal.any` some 70 bytes are left in each; and of several
 * listeners that `addEventListener` is to take off by its option `signal`, all
 * but the last stay once garbage was collected (Node 20).
 */
export function firstOf(...sources: readonly AbortSignal[]): AbortSignal {
  const first = new AbortController()
  const listeners = sources.map((source) => ({ source, end: () => abort(source.reason) }))
  const abort = (reason: unknown) => {
    for (const { source, end } of listeners) source.removeEventListener('abort', end)
    first.abort(reason)
  }
  // Whatever is under way listens: many are no leak.
  setMaxListeners(0, ...sources)
  for (const { source, end } of listeners) source.addEventListener('abort', end)
  const aborted = sources.find((source) => source.aborted)
  if (aborted) abort(aborted.reason)
  return first.signal
}
