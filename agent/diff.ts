/** What to do so that the actual state becomes the desired one. Pure. */
import type { Operation } from './kernel/kernel.ts'
import { differences } from './state/differences.ts'
import { type AnyItem, carrierOf, type Item, itemId } from './state/item.ts'

/** Items by their id. */
export type ItemMap<T extends AnyItem = Item> = ReadonlyMap<string, T>

/** Links before what hangs on them; isolation before there is anything to forward. */
const order: readonly Item['kind'][] = [
  'isolation',
  'bridge-pass',
  'bridge',
  'vxlan',
  'address',
  'veth',
  'port-entry',
  'remote-entry',
  'flood-entry',
  'neighbour',
]

/**
 * The operations that turn `actual` into `desired`: puts first, then deletes, so
 * that nothing is without its replacement for a moment. What goes with a deleted
 * link is not deleted by itself.
 */
export function diff(actual: ItemMap<AnyItem>, desired: ItemMap): readonly Operation[] {
  const puts = [...desired.values()].filter((item) => !isSame(actual.get(itemId(item)), item))
  const surplus = [...actual.values()].filter((item) => !desired.has(itemId(item)))
  const going = new Set(surplus.filter(isLink).map(({ name }) => name))
  const deletes = surplus.filter((item) => !going.has(carrierOf(item) ?? ''))
  // A smaller MTU comes first where frames begin, then where they pass.
  const putRank = (item: Item) =>
    isNarrowed(actual.get(itemId(item)), item) ? order.indexOf('veth') + 0.5 : rank(item)
  return [
    ...puts.toSorted((a, b) => putRank(a) - putRank(b)).map((item) => ({ do: 'put', item }) as const),
    ...deletes.toSorted((a, b) => rank(b) - rank(a)).map((item) => ({ do: 'delete', item }) as const),
  ]
}

export function itemMap<T extends AnyItem>(items: Iterable<T>): Map<string, T> {
  return new Map(Array.from(items, (item) => [itemId(item), item]))
}

/** Whether what is there is what should be, as far as it can be seen. */
function isSame(actual: AnyItem | undefined, desired: Item): boolean {
  return actual !== undefined && differences(actual, desired).length === 0
}

function isNarrowed(actual: AnyItem | undefined, desired: Item): boolean {
  if (desired.kind !== 'bridge' && desired.kind !== 'vxlan') return false
  return actual?.kind === desired.kind && actual.mtu > desired.mtu
}

function isLink(item: AnyItem): item is Extract<AnyItem, { name: string }> {
  return 'name' in item
}

function rank(item: AnyItem): number {
  return order.indexOf(item.kind)
}
