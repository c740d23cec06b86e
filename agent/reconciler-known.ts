/** What is in the kernel, as far as the agent knows: last observed, then last applied; and whose work each object is. */
import { type AnyItem, carrierOf, itemId } from './state/item.ts'
import type { Key } from './state/key.ts'

export class Known {
  readonly #items = new Map<string, AnyItem>()
  readonly #owner = new Map<string, Key>()
  readonly #owned = new Map<Key, Set<string>>()
  readonly #carried = new Map<string, Set<string>>()

  get(id: string): AnyItem | undefined {
    return this.#items.get(id)
  }

  /** All there is now: later changes do not show in it. */
  copy(): ReadonlyMap<string, AnyItem> {
    return new Map(this.#items)
  }

  ownerOf(id: string): Key | undefined {
    return this.#owner.get(id)
  }

  /** Keys that have objects. */
  owners(): Iterable<Key> {
    return this.#owned.keys()
  }

  idsOf(key: Key): Iterable<string> {
    return this.#owned.get(key) ?? []
  }

  /** Puts what was seen in the place of all; `ownerOf` says whose an object is that was not known. */
  replace(seen: ReadonlyMap<string, AnyItem>, ownerOf: (item: AnyItem) => Key): void {
    for (const id of this.#items.keys()) if (!seen.has(id)) this.drop(id)
    for (const [id, item] of seen) this.set(item, this.#owner.get(id) ?? ownerOf(item))
  }

  set(item: AnyItem, key: Key): void {
    const id = itemId(item)
    const before = this.#owner.get(id)
    if (before !== key) removeFrom(this.#owned, before, id)
    this.#items.set(id, item)
    this.#owner.set(id, key)
    addTo(this.#owned, key, id)
    addTo(this.#carried, carrierOf(item), id)
  }

  drop(id: string): void {
    const item = this.#items.get(id)
    removeFrom(this.#owned, this.#owner.get(id), id)
    removeFrom(this.#carried, item && carrierOf(item), id)
    this.#items.delete(id)
    this.#owner.delete(id)
  }

  /** What goes with a link that goes. */
  dropCarriedBy(link: AnyItem): void {
    if ('name' in link) for (const id of this.#carried.get(link.name) ?? []) this.drop(id)
  }
}

function addTo<K>(index: Map<K, Set<string>>, key: K | undefined, id: string): void {
  if (key !== undefined) index.set(key, (index.get(key) ?? new Set()).add(id))
}

function removeFrom<K>(index: Map<K, Set<string>>, key: K | undefined, id: string): void {
  if (key === undefined) return
  const ids = index.get(key)
  ids?.delete(id)
  if (ids?.size === 0) index.delete(key)
}
