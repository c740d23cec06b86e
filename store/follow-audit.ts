/** Finds changes that a watch did not tell. */
import { pause } from '../lib/retry.ts'
import type { KeyValue } from './etcd-api.ts'
import { type ReadRange, readWholeRange } from './range.ts'
import type { Revision } from './store.ts'

/** What was told so far; it goes on changing. */
export interface FollowedState {
  /** The keys that are there, and when they were written. */
  readonly known: ReadonlyMap<string, Revision>
  /** The keys whose deletion was told since the audit began, and when it was. */
  readonly deleted: ReadonlyMap<string, Revision>
  /** All up to here was told, unless something was missed. */
  readonly cursor: Revision
}

export interface Missed {
  readonly path: string
  readonly modRevision: Revision
  /** Undefined: it was deleted, at `modRevision` or before. */
  readonly kv: KeyValue | undefined
}

/** Milliseconds that the watch has to tell what the list already had. */
const grace = 5_000
const poll = 100

/**
 * Lists the keys, waits until the watch must have told them, and compares.
 * `revision` is the list's: with what was missed, all up to it is told.
 */
export async function missedChanges(
  state: FollowedState,
  { read, prefix, signal }: { readonly read: ReadRange; readonly prefix: string; readonly signal: AbortSignal },
): Promise<{ missed: Missed[]; revision: Revision }> {
  const { header, items } = await readWholeRange(read, { prefix, keysOnly: true }, (kv) => kv)
  const revision = Number(header.revision)
  const there = new Map(items.map((kv) => [kv.key.toString(), Number(kv.mod_revision)]))
  const end = performance.now() + grace
  const late = () => state.cursor < revision && performance.now() < end && !signal.aborted
  while (late() && differences(state, there, revision).length > 0) await pause(poll, signal)

  const missed: Missed[] = []
  for (const path of differences(state, there, revision)) {
    const modRevision = there.get(path)
    if (modRevision === undefined) missed.push({ path, modRevision: revision, kv: undefined })
    else {
      const { kvs } = await read({ key: Buffer.from(path), revision })
      if (kvs[0]) missed.push({ path, modRevision, kv: kvs[0] })
    }
  }
  // The watch went on while they were read.
  const still = new Set(differences(state, there, revision))
  return { missed: missed.filter(({ path }) => still.has(path)), revision }
}

/**
 * The paths where what was told contradicts the list at `revision`. What the
 * watch told of later revisions is no contradiction.
 */
export function differences(
  { known, deleted }: Pick<FollowedState, 'known' | 'deleted'>,
  there: ReadonlyMap<string, Revision>,
  revision: Revision,
): string[] {
  const written = [...there].filter(([path, modRevision]) => {
    const told = known.get(path) ?? deleted.get(path) ?? 0
    return told < modRevision
  })
  const gone = [...known].filter(([path, told]) => told <= revision && !there.has(path))
  return [...written, ...gone].map(([path]) => path)
}
