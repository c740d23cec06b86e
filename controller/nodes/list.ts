/** Nodes, with what is true of them now. */
import type { Node, Session } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { readEach } from '../read-each.ts'
import { findNode } from './reference.ts'

/** By name. */
export async function listNodes(store: Store): Promise<Node[]> {
  const { keys } = store
  const [nodes, sessions] = await Promise.all([store.list(keys.nodes), store.list(keys.sessions)])
  const sessionOf = new Map(sessions.entries.map(({ value }) => [value.node, value]))
  return readEach(nodes.entries, ({ value }) => withStatus(store, value, sessionOf.get(value.name)))
}

/**
 * By name, uid, or the beginning of that.
 * @throws OverlayError `not_found`; `invalid`
 */
export async function getNode(store: Store, reference: string): Promise<Node> {
  const node = (await findNode(store, reference)).value
  return withStatus(store, node, (await store.get(store.keys.session(node.name)))?.value)
}

/** With what is true of it now. */
export async function withStatus(store: Store, node: Node, session: Session | undefined): Promise<Node> {
  const endpointCount = await store.count(store.keys.placements(node.name))
  return { ...node, status: { live: session !== undefined, endpointCount, sessionSince: session?.startedAt ?? '' } }
}
