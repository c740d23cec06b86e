/** What differs between kernel and plan, without what is only on its way. */
import type { Operation } from '../kernel/kernel.ts'
import { type AnyItem, type Difference, itemId } from '../state/item.ts'
import type { Key } from '../state/key.ts'

/** One object that differs. */
export interface Differing {
  /** What would mend it. */
  readonly operation: Operation
  /** Undefined: it is missing. */
  readonly found: AnyItem | undefined
  /** Whose it is. */
  readonly key: Key
  /** Why it is not mended; empty if nothing speaks against it. */
  readonly obstacle: string
  /** How it differs, where that is left as it is, and no operation is done. */
  readonly leftAlone?: readonly Difference[]
}

export interface Comparison {
  /** In the order in which it would be mended. */
  readonly differing: readonly Differing[]
  /** How many objects were compared. */
  readonly objects: number
}

/**
 * The second look, if the first found something: only what both found is so.
 * Between two objects that belong together the kernel may have been changed while
 * it was read.
 */
export async function compareTwice(look: () => Promise<Comparison>): Promise<Comparison> {
  const first = await look()
  if (first.differing.length === 0) return first
  const seen = new Set(first.differing.map(nameOf))
  const { differing, objects } = await look()
  return { objects, differing: differing.filter((one) => seen.has(nameOf(one))) }
}

function nameOf({ operation: { do: what, item } }: Differing): string {
  return `${what} ${itemId(item)}`
}
