/** Gives an endpoint's addresses back: everything of the claim in one transaction. */
import { OverlayError } from '../../lib/errors.ts'
import { putToRest, type Quarantine } from '../../store/quarantine.ts'
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
 * Gone already is as good.
 * @returns the revision at which it was gone.
 * @throws OutcomeUnknownError: it may be repeated.
 */
export async function release(
  { store, quarantine, generation }: ReleaseParts,
  endpoint: EndpointView,
): Promise<number> {
  const { keys } = store
  const { network, id, node, name, mac, addresses } = endpoint
  const rest = await quarantine.lease()
  const key = keys.endpoint(network, id)
  const outcome = await store.commit({
    compares: [createdAt(key, endpoint.createRevision), createdAt(keys.node(node), generation())],
    writes: [
      remove(key),
      remove(keys.mac(network, mac)),
      ...(name ? [remove(keys.name(network, name))] : []),
      ...addresses.flatMap((ip) => [remove(keys.address(network, ip)), putToRest(keys, network, ip, node, rest)]),
      remove(keys.placement(node, network, id)),
    ],
    otherwise: [key],
  })
  if (outcome.committed || !outcome.found[0]) return outcome.revision
  throw new OverlayError(
    'conflict',
    `node ${node} was removed from the cluster: its endpoint ${id} is being released by the controller`,
  )
}
