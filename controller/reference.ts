/** A network or node by what a person calls it: its name, its uid, or the beginning of that. */
import { OverlayError } from '../lib/errors.ts'
import { parseName } from '../lib/names.ts'
import { byReference, couldBeUid, type Named } from '../lib/reference.ts'
import type { Entry, Key, Range, Store } from '../store/store.ts'

/** Where they are kept, and what messages say of them. */
export interface Kind<T extends Named> {
  readonly one: string
  /** Lists them. */
  readonly command: string
  readonly key: (store: Store, name: string) => Key<T>
  readonly all: (store: Store) => Range<T>
}

/**
 * One read for a name, as most references are.
 * @throws OverlayError `invalid` when it can be neither name nor uid, or is the
 * beginning of several uids, which are named; `not_found`.
 */
export async function find<T extends Named>(store: Store, kind: Kind<T>, reference: string): Promise<Entry<T>> {
  const entry = await store.get(kind.key(store, parseName(reference)))
  if (entry) return entry
  if (!couldBeUid(reference)) throw notFound(kind, reference)
  const { entries } = await store.list(kind.all(store))
  return pick(entries, kind, reference)
}

/** By its name alone. @throws OverlayError `invalid`, `not_found` */
export async function findNamed<T extends Named>(store: Store, kind: Kind<T>, name: string): Promise<Entry<T>> {
  const entry = await store.get(kind.key(store, parseName(name)))
  if (entry) return entry
  throw notFound(kind, name)
}

/** As `find`, among all that there are. */
export function pick<T extends Named>(
  entries: readonly Entry<T>[],
  kind: Pick<Kind<T>, 'one' | 'command'>,
  reference: string,
): Entry<T> {
  parseName(reference)
  const value = byReference(
    entries.map((entry) => entry.value),
    kind.one,
    reference,
  )
  const found = entries.find((entry) => entry.value === value)
  if (!found) throw notFound(kind, reference)
  return found
}

function notFound({ one, command }: Pick<Kind<never>, 'one' | 'command'>, reference: string): OverlayError {
  return new OverlayError('not_found', `there is no ${one} ${reference}: see "${command}"`)
}
