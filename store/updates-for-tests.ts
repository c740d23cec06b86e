/** Collects what a follow tells, for tests. */
import { vi } from 'vitest'
import type { Entry, Range, Revision, Store, Update } from './store.ts'

export interface Collected<T> {
  readonly updates: readonly Update<T>[]
  /** The entries as the updates tell them. */
  readonly entries: ReadonlyMap<string, Entry<T>>
  /** Each change told, as text: `put PATH REVISION` or `delete PATH REVISION`. */
  readonly changes: readonly string[]
  /** Waits until it holds. */
  until(condition: () => boolean, milliseconds?: number): Promise<void>
  ofKind<K extends Update<T>['kind']>(kind: K): readonly Extract<Update<T>, { kind: K }>[]
  /** Resolves when the follow has ended. */
  readonly ended: Promise<void>
}

export function collect<T>(store: Store, range: Range<T>, signal: AbortSignal): Collected<T> {
  const updates: Update<T>[] = []
  const entries = new Map<string, Entry<T>>()
  const changes: string[] = []
  const run = async () => {
    for await (const update of store.follow(range, signal)) {
      updates.push(update)
      if (update.kind === 'snapshot') {
        entries.clear()
        for (const entry of update.entries) entries.set(entry.path, entry)
      }
      if (update.kind !== 'changes') continue
      for (const change of update.changes) {
        if (change.kind === 'put') entries.set(change.entry.path, change.entry)
        else entries.delete(change.path)
        changes.push(
          change.kind === 'put'
            ? changeText('put', change.entry.path, change.entry.modRevision)
            : changeText('delete', change.path, change.modRevision),
        )
      }
    }
  }
  return {
    updates,
    entries,
    changes,
    ended: run(),
    until: (condition, milliseconds = 5_000) =>
      vi.waitFor(
        () => {
          if (!condition()) throw new Error(`not yet; told so far: ${JSON.stringify(updates).slice(0, 2_000)}`)
        },
        { timeout: milliseconds, interval: 5 },
      ),
    ofKind: (kind) => updates.filter((update) => update.kind === kind) as never,
  }
}

export function changeText(kind: 'put' | 'delete', path: string, revision: Revision): string {
  return `${kind} ${path} ${revision}`
}
