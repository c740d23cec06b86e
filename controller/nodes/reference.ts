/** A node by its name, its uid, or the beginning of that. */
import type { Node } from '../../proto/index.ts'
import type { Entry, Store } from '../../store/store.ts'
import { find, type Kind } from '../reference.ts'

const nodes: Kind<Node> = {
  one: 'node',
  command: 'overlayctl node ls',
  key: ({ keys }, name) => keys.node(name),
  all: ({ keys }) => keys.nodes,
}

/**
 * @throws OverlayError `invalid` when it can be neither, or is the beginning of
 * several uids, which are named; `not_found`.
 */
export function findNode(store: Store, reference: string): Promise<Entry<Node>> {
  return find(store, nodes, reference)
}
