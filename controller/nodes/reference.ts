/** A node by its name, its uid, or the beginning of that. */
import type { Identity } from '../../lib/pki/identity.ts'
import type { Node } from '../../proto/index.ts'
import type { Entry, Store } from '../../store/store.ts'
import { find, findNamed, type Kind } from '../reference.ts'

const nodes: Kind<Node> = {
  one: 'node',
  command: 'overlayctl node ls',
  key: ({ keys }, name) => keys.node(name),
  all: ({ keys }) => keys.nodes,
}

/**
 * @param caller who asks. A node that does means itself, by its name: the name
 * of one that is gone may be the beginning of another's uid, whose it is not.
 * @throws OverlayError `invalid` when it can be neither, or is the beginning of
 * several uids, which are named; `not_found`.
 */
export function findNode(store: Store, reference: string, caller?: Identity): Promise<Entry<Node>> {
  return caller?.role === 'node' ? findNamed(store, nodes, reference) : find(store, nodes, reference)
}
