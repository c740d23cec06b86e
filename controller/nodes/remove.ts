/** Forgets a node. */
import { OverlayError } from '../../lib/errors.ts'
import type { RemoveNodeRequest, RemoveNodeResponse } from '../../proto/index.ts'
import { absent, type Store, unchanged } from '../../store/store.ts'
import { evict, forget } from './evict.ts'
import { describeNode } from './list.ts'
import { findNode } from './reference.ts'

/** The node's agent may write its record between, but hardly so often. */
const attempts = 10

/**
 * Deletes the node's record first, which makes every transaction of its agent
 * fail, then its endpoints. What a crash leaves of them, the janitor removes.
 * @throws OverlayError `not_found`; `failed_precondition` while its session
 * lives, unless forced.
 */
export async function removeNode(store: Store, request: RemoveNodeRequest): Promise<RemoveNodeResponse> {
  const { keys } = store
  const { force } = request
  const { name, uid } = (await findNode(store, request.name)).value
  for (let attempt = 0; attempt < attempts; attempt++) {
    const record = await store.get(keys.node(name))
    if (record?.value.uid !== uid)
      throw new OverlayError('not_found', `node ${name} was removed by somebody else meanwhile`)
    const node = await describeNode(store, record.value)
    if (node.status?.live && !force)
      throw new OverlayError(
        'failed_precondition',
        `node ${name} is alive (its session began ${node.status.sessionSince}): stop its agent first, or remove it with --force`,
      )
    const compares = force ? [unchanged(record)] : [unchanged(record), absent(keys.session(name))]
    const outcome = await store.commit({ compares, writes: forget(keys, name) })
    if (!outcome.committed) continue
    // From here on nobody can add any; the janitor may already be at them.
    const releasedEndpoints = await store.count(keys.placements(name))
    await evict(store, name)
    return { node, releasedEndpoints }
  }
  throw new OverlayError('conflict', `node ${name} is being changed by its agent all the time: try again`)
}
