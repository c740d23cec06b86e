/** Which nodes have a network, told from the index of each one's endpoints. */
import { partsBelow } from '../../store/keys.ts'
import type { Range, Store } from '../../store/store.ts'
import { readEach } from '../read-each.ts'

/** The endpoints of a network on a node, as keys without values. */
export function placementsOf({ keys }: Store, node: string, network: string): Range<null> {
  const all = keys.placements(node)
  return { ...all, prefix: `${all.prefix}${network}/` }
}

/** The networks that have an endpoint on one of the nodes. */
export async function networksOn(store: Store, nodes: readonly string[]): Promise<ReadonlySet<string>> {
  const found = await readEach(nodes, async (node) => {
    const range = store.keys.placements(node)
    return (await store.paths(range)).paths.map((path) => partsBelow(range, path)[0] ?? '')
  })
  return new Set(found.flat())
}

/** Those of the nodes that have at least one endpoint of it: one short read for each. */
export async function nodesWith(store: Store, network: string, nodes: readonly string[]): Promise<readonly string[]> {
  const found = await readEach(nodes, (node) => isOn(store, node, network))
  return nodes.filter((_, at) => found[at])
}

async function isOn(store: Store, node: string, network: string): Promise<boolean> {
  return (await store.page(placementsOf(store, node, network), { limit: 1 })).entries.length > 0
}
