/** What a person calls a thing that has a name and a uid: either, or the beginning of the uid. */
import { OverlayError } from './errors.ts'

export interface Named {
  readonly name: string
  readonly uid: string
}

/** How many candidates a refusal names. */
const shown = 5

/** Whether the text can be the beginning of a uid. */
export function couldBeUid(reference: string): boolean {
  return /^[0-9a-f]{1,32}$/.test(reference)
}

/**
 * The one of that name; or else the one whose uid begins so; undefined when
 * there is none. `kind` is what they are, for example `network`.
 * @throws OverlayError `invalid` when it is the beginning of several uids, which are named.
 */
export function byReference<T extends Named>(all: Iterable<T>, kind: string, reference: string): T | undefined {
  const found: T[] = []
  for (const each of all) {
    if (each.name === reference) return each
    if (couldBeUid(reference) && each.uid.startsWith(reference)) found.push(each)
  }
  if (found.length < 2) return found[0]
  const list = found.slice(0, shown).map(({ uid, name }) => `${uid} (${name})`)
  const more = found.length > shown ? ' and more' : ''
  throw new OverlayError(
    'invalid',
    `${reference} is the beginning of several ${kind}s' ids: ${list.join(', ')}${more}; give more of it, or the name`,
  )
}
