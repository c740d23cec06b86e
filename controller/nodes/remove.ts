/** Forgets a node. */
import { OverlayError } from '../../lib/errors.ts'
import type { RemoveNodeRequest, RemoveNodeResponse } from '../../proto/index.ts'
import { absent, remove, type Store, unchanged } from '../../store/store.ts'
import { evict } from './evict.ts'
import { getNode } from './list.ts'

/** The node's agent may write its record between, but hardly so often. */
const attempts = 10

/**
 * Deletes the node's record first, which makes every transaction of its agent
 * fail, then its endpoints. What a crash leaves of them, the janitor removes.
 * @throws OverlayError `not_found`; `failed_precondition` while its session
 * lives, unless forced.
 */
export async function removeNode(store: Store, { name, force }: RemoveNodeRequest): Promise<RemoveNodeResponse> {
  const { keys } = store
  for (let attempt = 0; attempt < attempts; attempt++) {
    const node = await getNode(store, name)
    if (node.status?.live && !force)
      throw new OverlayError(
        'failed_precondition',
        `node ${name} is alive (its session began ${node.status.sessionSince}): stop its agent first, or remove it with --force`,
      )
    const record = await store.get(keys.node(name))
    if (!record) continue
    const compares = force ? [unchanged(record)] : [unchanged(record), absent(keys.session(name))]
    const outcome = await store.commit({ compares, writes: [remove(keys.node(name))] })
    if (!outcome.committed) continue
    // From here on nobody can add any; the janitor may already be at them.
    const releasedEndpoints = await store.count(keys.placements(name))
    await evict(store, name)
    return { node, releasedEndpoints }
  }
  throw new OverlayError('conflict', `node ${name} is being changed by its agent all the time: try again`)
}
