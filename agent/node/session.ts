/** Tells the cluster, through a lease, that this agent is alive. */
import { OverlayError } from '../../lib/errors.ts'
import type { Node, Session } from '../../proto/index.ts'
import { absent, type Lease, put, type Store, unchanged } from '../../store/store.ts'

/**
 * Writes the node's session on `lease`. A session of the same node and boot is
 * taken over (the agent was restarted); one of the same node and another boot is
 * waited out, because its host may still be running.
 * @throws OverlayError `already_exists` when another host holds the name,
 * `conflict` while one is to be waited out.
 */
export async function establishSession(
  store: Store,
  session: Pick<Session, 'node' | 'uid' | 'bootId'>,
  lease: Lease,
): Promise<void> {
  const key = store.keys.session(session.node)
  const holder = await store.get(key)
  if (holder && holder.value.uid !== session.uid) throw await heldByOther(store, session.node)
  if (holder && holder.value.bootId !== session.bootId) throw await formerBoot(store, session.node)
  const outcome = await store.commit({
    compares: [holder ? unchanged(holder) : absent(key)],
    writes: [put(key, { ...session, startedAt: new Date().toISOString() }, { lease })],
  })
  if (!outcome.committed) throw new OverlayError('conflict', `the session of node ${session.node} changed meanwhile`)
}

async function formerBoot(store: Store, node: string): Promise<OverlayError> {
  const holder: Node | undefined = (await store.get(store.keys.node(node)))?.value
  return new OverlayError(
    'conflict',
    `the session of node ${node} in another boot has not run out yet: this host waits for that, if it was only just booted; should another host (VTEP ${holder?.vtepAddress ?? 'unknown'}) run from a copy of this one's disk, stop the agent here, remove its --state-dir, and give it another --node`,
  )
}

async function heldByOther(store: Store, node: string): Promise<OverlayError> {
  const holder: Node | undefined = (await store.get(store.keys.node(node)))?.value
  return new OverlayError(
    'already_exists',
    `another host runs an agent as node "${node}" (VTEP ${holder?.vtepAddress ?? 'unknown'}): give this one another --node`,
  )
}
