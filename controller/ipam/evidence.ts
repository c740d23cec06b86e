/** What was read to come to a conclusion: a transaction that compares it holds only while the conclusion does. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { absent, type Compare, type Entry, type Key, type Store, unchanged } from '../../store/store.ts'

export interface Evidence {
  /**
   * Reads the key, once, and notes how it was.
   * @throws UnreadableError when there is a record that cannot be read.
   */
  get<T>(key: Key<T>): Promise<Entry<T> | undefined>
  /** Something else that must still be so. */
  note(compare: Compare): void
  compares(): readonly Compare[]
}

/** The key is there, and its record is none that we know: nothing may be concluded from it. */
export class UnreadableError extends OverlayError {
  constructor(cause: OverlayError) {
    super('internal', cause.message, { cause })
  }
}

export function createEvidence(store: Pick<Store, 'get'>): Evidence {
  const read = new Map<string, Promise<Entry<unknown> | undefined>>()
  const noted = new Map<string, Compare>()
  const note = (compare: Compare) => void noted.set('path' in compare ? compare.path : compare.prefix, compare)
  const fetch = async <T>(key: Key<T>) => {
    const entry = await store.get(key).catch((error: unknown) => unreadable(store, key, error, note))
    note(entry ? unchanged(entry) : absent(key))
    return entry
  }
  return {
    get<T>(key: Key<T>) {
      const reading = read.get(key.path) ?? fetch(key)
      read.set(key.path, reading)
      return reading as Promise<Entry<T> | undefined>
    },
    note,
    compares: () => [...noted.values()],
  }
}

/** Whether both tell the same: nothing that was read has changed between. */
export function sameEvidence(a: readonly Compare[], b: readonly Compare[]): boolean {
  const texts = (compares: readonly Compare[]) => compares.map((compare) => JSON.stringify(compare)).toSorted()
  return JSON.stringify(texts(a)) === JSON.stringify(texts(b))
}

async function unreadable(
  store: Pick<Store, 'get'>,
  { path }: Key<unknown>,
  error: unknown,
  note: (compare: Compare) => void,
): Promise<never> {
  if (!hasCode(error, 'internal')) throw error
  const raw = await store.get<null>({ path, type: null })
  if (!raw) throw error
  note(unchanged(raw))
  throw new UnreadableError(error)
}
