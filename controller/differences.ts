/** What an update of the store means for somebody who knows what was there before. */
import type { Change, Entry, Update } from '../store/store.ts'

export type Difference<T> =
  | { readonly kind: 'created'; readonly now: T }
  | { readonly kind: 'updated'; readonly before: T; readonly now: T }
  | { readonly kind: 'removed'; readonly before: T }

/** What the difference is about, as it is now, or as it last was. */
export function subject<T>(difference: Difference<T>): T {
  return difference.kind === 'removed' ? difference.before : difference.now
}

/**
 * Brings `entries`, by path, up to date. After a history that broke, too, only
 * what is really different is told; a record that was removed and made again
 * meanwhile is told as both.
 */
export function bringUpToDate<T>(entries: Map<string, Entry<T>>, update: Update<T>): readonly Difference<T>[] {
  switch (update.kind) {
    case 'lost':
      return []
    case 'changes':
      return update.changes.flatMap((change) => applyChange(entries, change))
    case 'snapshot': {
      const now = new Set(update.paths)
      const gone = [...entries.keys()].filter((path) => !now.has(path))
      return [
        ...gone.flatMap((path) => applyChange(entries, { kind: 'delete', path, modRevision: update.revision })),
        ...update.entries.flatMap((entry) => applyChange(entries, { kind: 'put', entry })),
      ]
    }
  }
}

function applyChange<T>(entries: Map<string, Entry<T>>, change: Change<T>): Difference<T>[] {
  if (change.kind === 'delete') {
    const before = entries.get(change.path)
    entries.delete(change.path)
    return before ? [{ kind: 'removed', before: before.value }] : []
  }
  const { entry } = change
  const before = entries.get(entry.path)
  entries.set(entry.path, entry)
  if (!before) return [{ kind: 'created', now: entry.value }]
  if (JSON.stringify(before.json) === JSON.stringify(entry.json)) return []
  if (before.createRevision === entry.createRevision)
    return [{ kind: 'updated', before: before.value, now: entry.value }]
  return [
    { kind: 'removed', before: before.value },
    { kind: 'created', now: entry.value },
  ]
}
