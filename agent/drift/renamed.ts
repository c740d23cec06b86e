/** Interfaces that have another name inside their sandboxes than they were given: told, and left as they are. */
import type { ItemMap } from '../diff.ts'
import { renaming } from '../state/differences.ts'
import type { AnyItem } from '../state/item.ts'
import type { Key } from '../state/key.ts'
import type { Differing } from './compare.ts'

const obstacle =
  'a name inside a sandbox is left to whoever gave it: to have the former one again, rename the interface there, or detach it and attach it anew'

export function renamed(actual: ItemMap<AnyItem>, desired: ItemMap, keyOf: (id: string) => Key): readonly Differing[] {
  return [...desired].flatMap(([id, item]) => {
    const found = actual.get(id)
    const leftAlone = renaming(found, item)
    if (leftAlone.length === 0) return []
    return [{ operation: { do: 'put', item }, found, key: keyOf(id), obstacle, leftAlone }]
  })
}
