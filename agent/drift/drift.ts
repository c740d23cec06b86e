/** What audits find otherwise than the agent had left it, until it is mended. */
import { diff, type ItemMap } from '../diff.ts'
import type { Operation } from '../kernel/kernel.ts'
import { type AnyItem, carrierOf, itemId } from '../state/item.ts'
import type { Key } from '../state/key.ts'

/** One object that was not as it should be. */
export interface Finding {
  /** What mends it. */
  readonly operation: Operation
  /** As it was found; undefined: it was missing. */
  readonly found: AnyItem | undefined
  /** Whose it is. */
  readonly key: Key
  /** It was missing because its link was, which is a finding of its own. */
  readonly wentWithLink: boolean
}

export interface Audited {
  /** What is to be done now, also what may not be done yet. */
  readonly operations: readonly Operation[]
  /** The kernel as it was known before the audit looked. */
  readonly before: ItemMap<AnyItem>
  readonly actual: ItemMap<AnyItem>
  readonly desired: ItemMap
  readonly keyOf: (id: string) => Key
}

export class Drift {
  readonly #findings = new Map<string, Finding>()

  /**
   * Notes what somebody else changed: it was as it should be when we last knew
   * it, and is not now. What was found earlier stays until it is mended, or is
   * right again without us.
   */
  note({ operations, before, actual, desired, keyOf }: Audited): void {
    const due = new Map(operations.map((operation) => [itemId(operation.item), operation]))
    for (const id of this.#findings.keys()) if (!due.has(id)) this.#findings.delete(id)
    if (due.size === 0) return
    const own = new Set(diff(before, desired).flatMap(({ do: what, item }) => (what === 'put' ? [itemId(item)] : [])))
    for (const [id, operation] of due) {
      const isOwn = operation.do === 'put' ? own.has(id) : before.has(id) || isHalfMade(operation.item)
      if (isOwn || this.#findings.has(id)) continue
      const found = actual.get(id)
      const link = carrierOf(operation.item)
      const wentWithLink = !found && link !== undefined && !actual.has(`link ${link}`)
      this.#findings.set(id, { operation, found, key: keyOf(id), wentWithLink })
    }
  }

  /** The object is as it should be again: what had been found of it. */
  mended(id: string): Finding | undefined {
    const finding = this.#findings.get(id)
    this.#findings.delete(id)
    return finding
  }
}

/** An attach that is under way, or was given up. */
function isHalfMade(item: AnyItem): boolean {
  return 'alias' in item && item.alias === ''
}
