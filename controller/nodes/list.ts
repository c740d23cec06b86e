/** Nodes, with what is true of them now. */
import { OverlayError } from '../../lib/errors.ts'
import { parseName } from '../../lib/names.ts'
import type { Node, Session } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'

/** By name. */
export async function listNodes(store: Store): Promise<Node[]> {
  const { keys } = store
  const [nodes, sessions] = await Promise.all([store.list(keys.nodes), store.list(keys.sessions)])
  const sessionOf = new Map(sessions.entries.map(({ value }) => [value.node, value]))
  return Promise.all(nodes.entries.map(({ value }) => withStatus(store, value, sessionOf.get(value.name))))
}

/** @throws OverlayError `not_found` */
export async function getNode(store: Store, name: string): Promise<Node> {
  parseName(name)
  const { keys } = store
  const [node, session] = await Promise.all([store.get(keys.node(name)), store.get(keys.session(name))])
  if (!node) throw new OverlayError('not_found', `there is no node ${name}`)
  return withStatus(store, node.value, session?.value)
}

async function withStatus(store: Store, node: Node, session: Session | undefined): Promise<Node> {
  const endpointCount = await store.count(store.keys.placements(node.name))
  return { ...node, status: { live: session !== undefined, endpointCount, sessionSince: session?.startedAt ?? '' } }
}
