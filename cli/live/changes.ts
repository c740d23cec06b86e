/** What tells two states of a list apart, item by item. */

export interface ItemChange<T> {
  readonly change: 'added' | 'changed' | 'removed'
  /** As it is now; of one that is gone, as it last was. */
  readonly item: T
}

/** The items of a list by what tells them from others. */
export type Items<T> = ReadonlyMap<string, T>

/** Those that are gone first, then the others in the order of `after`; `text` tells whether an item changed. */
export function itemChanges<T>(before: Items<T>, after: Items<T>, text: (item: T) => string): ItemChange<T>[] {
  const gone = [...before].filter(([key]) => !after.has(key))
  const rest = [...after].flatMap(([key, item]): ItemChange<T>[] => {
    const old = before.get(key)
    if (old === undefined) return [{ change: 'added', item }]
    return text(old) === text(item) ? [] : [{ change: 'changed', item }]
  })
  return [...gone.map(([, item]): ItemChange<T> => ({ change: 'removed', item })), ...rest]
}
