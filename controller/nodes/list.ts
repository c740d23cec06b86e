/** Nodes, with what is true of them now. */
import { type Drain, type Node, NodeStatus, type Session } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { readEach } from '../read-each.ts'
import { findNode } from './reference.ts'

/** What else the store says of a node. */
interface Circumstances {
  readonly session: Session | undefined
  readonly drain: Drain | undefined
}

/** By name. */
export async function listNodes(store: Store): Promise<Node[]> {
  const { keys } = store
  const [nodes, sessions, drains] = await Promise.all([
    store.list(keys.nodes),
    store.list(keys.sessions),
    store.list(keys.drains),
  ])
  const valueAt = <T>(entries: readonly { path: string; value: T }[]) =>
    new Map(entries.map(({ path, value }) => [path, value]))
  const sessionAt = valueAt(sessions.entries)
  const drainAt = valueAt(drains.entries)
  return readEach(nodes.entries, ({ value }) =>
    withStatus(store, value, {
      session: sessionAt.get(keys.session(value.name).path),
      drain: drainAt.get(keys.drain(value.name).path),
    }),
  )
}

/**
 * By name, uid, or the beginning of that.
 * @throws OverlayError `not_found`; `invalid`
 */
export async function getNode(store: Store, reference: string): Promise<Node> {
  return describeNode(store, (await findNode(store, reference)).value)
}

/** With what is true of it now. */
export async function describeNode(store: Store, node: Node): Promise<Node> {
  const [session, drain] = await Promise.all([
    store.get(store.keys.session(node.name)),
    store.get(store.keys.drain(node.name)),
  ])
  return withStatus(store, node, { session: session?.value, drain: drain?.value })
}

async function withStatus(store: Store, node: Node, { session, drain }: Circumstances): Promise<Node> {
  const status = NodeStatus.create({
    live: session !== undefined,
    state: session ? 'READY' : 'UNREACHABLE',
    endpointCount: await store.count(store.keys.placements(node.name)),
    sessionSince: session?.startedAt ?? '',
    drain: drain ?? null,
  })
  return { ...node, status }
}
