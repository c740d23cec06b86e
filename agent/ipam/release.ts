/** Gives an endpoint's addresses back: everything of the claim in one transaction. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { putToRest, type Quarantine, type Rest } from '../../store/quarantine.ts'
import { createdAt, remove, type Store } from '../../store/store.ts'
import type { EndpointView } from '../state/view.ts'

export interface ReleaseParts {
  readonly store: Store
  readonly quarantine: Quarantine
  /** The node's current generation. */
  readonly generation: () => number
}

/**
 * Removes the endpoint and all that it holds; its addresses go into quarantine.
 * Gone already is as good, if the store still has this node's record: another
 * store lacks the endpoint too.
 * @returns the revision at which it was gone.
 * @throws OutcomeUnknownError: it may be repeated; OverlayError `conflict` when
 * the node or the endpoint is not the one that is meant.
 */
export async function release(
  { store, quarantine, generation }: ReleaseParts,
  endpoint: EndpointView,
): Promise<number> {
  const { keys } = store
  const { network, id, node, name, mac, addresses, createRevision } = endpoint
  const key = keys.endpoint(network, id)
  const current = generation()
  const commit = (rest: Rest) =>
    store.commit({
      compares: [createdAt(key, createRevision), createdAt(keys.node(node), current)],
      writes: [
        remove(key),
        remove(keys.mac(network, mac)),
        ...(name ? [remove(keys.name(network, name))] : []),
        ...addresses.flatMap((ip) => [remove(keys.address(network, ip)), putToRest(keys, network, ip, node, rest)]),
        remove(keys.placement(node, network, id)),
      ],
      // Whether they are there is what counts, readable or not.
      otherwise: [key, keys.node(node)].map(({ path }) => ({ path, type: null })),
    })
  const rest = await quarantine.lease()
  const outcome = await commit(rest).catch(async (error: unknown) => {
    if (!hasCode(error, 'conflict')) throw error
    // Its lease is gone, so nothing was written.
    quarantine.forget(rest)
    return commit(await quarantine.lease())
  })
  if (outcome.committed) return outcome.revision
  const [found, nodeFound] = outcome.found
  if (found && found.createRevision !== createRevision)
    throw new OverlayError('conflict', `endpoint ${id} of network ${network} was made anew since: it is left alone`)
  if (!found && nodeFound?.createRevision === current) return outcome.revision
  throw new OverlayError(
    'conflict',
    `node ${node} was removed from the cluster${nodeFound ? ' and registered anew' : ''}: its endpoint ${id} is being released by the controller`,
  )
}
