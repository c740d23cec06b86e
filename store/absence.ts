/** Waiting for a key to be gone. */
import type { Key, Store } from './store.ts'

/** Resolves true when the key is not there, false when the signal aborts before. */
export async function absence(store: Store, { path }: Key<unknown>, signal: AbortSignal): Promise<boolean> {
  let isThere = true
  for await (const update of store.follow({ prefix: path, type: null }, signal)) {
    if (update.kind === 'snapshot') isThere = update.paths.includes(path)
    if (update.kind === 'changes')
      for (const change of update.changes) {
        if (change.kind === 'put' && change.entry.path === path) isThere = true
        if (change.kind === 'delete' && change.path === path) isThere = false
      }
    if (!isThere) return true
  }
  return false
}
