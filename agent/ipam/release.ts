/** Gives an endpoint's addresses back: everything of the claim in one transaction. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Ip } from '../../lib/ip.ts'
import { putToRest, type Quarantine, type Rest } from '../../store/quarantine.ts'
import { type Compare, createdAt, type Key, type Outcome, remove, type Store, unchanged } from '../../store/store.ts'
import type { End } from '../node/intent-file.ts'
import type { EndpointView } from '../state/view.ts'
import { tenureWrites } from './tenure.ts'

export interface ReleaseParts {
  readonly store: Store
  readonly quarantine: Quarantine
  /** The node's current generation. */
  readonly generation: () => number
}

/** A key that says that the endpoint owns something, and the compare by which it still does. */
interface Holding {
  readonly key: Key<{ endpointId: string }>
  /** Undefined: its name or MAC. */
  readonly address: Ip | undefined
  readonly compare: Compare
}

/** Who owns what changes only by repair. */
const attempts = 3

/**
 * Removes the endpoint and all that it holds; its addresses go into quarantine,
 * and the journal tells when. A key that names another owner by now is left alone.
 * Gone already is as good, if the store still has this node's record: another
 * store lacks the endpoint too.
 * @returns the revision at which it was gone.
 * @throws OutcomeUnknownError: it may be repeated; OverlayError `conflict` when
 * the node or the endpoint is not the one that is meant.
 */
export async function release(parts: ReleaseParts, endpoint: EndpointView, end: End = 'DETACHED'): Promise<number> {
  const { store, quarantine, generation } = parts
  const { network, id, node, createRevision } = endpoint
  const current = generation()
  let holdings = asClaimed(store, endpoint)
  for (let attempt = 0; attempt < attempts; attempt++) {
    const rest = await quarantine.lease()
    const tenureEnd = { releasedAt: new Date().toISOString(), end }
    const commit = (lease: Rest) => commitRelease(store, endpoint, current, holdings, lease, tenureEnd)
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
    if (nodeFound?.createRevision !== current)
      throw new OverlayError(
        'conflict',
        `node ${node} was removed from the cluster${nodeFound ? ' and registered anew' : ''}: its endpoint ${id} is being released by the controller`,
      )
    if (!found) return outcome.revision
    holdings = await stillHeld(store, holdings, id)
  }
  throw new OverlayError('conflict', `what endpoint ${id} of network ${network} holds is being changed by others`)
}

function commitRelease(
  store: Store,
  endpoint: EndpointView,
  generation: number,
  holdings: readonly Holding[],
  rest: Rest,
  tenureEnd: { readonly releasedAt: string; readonly end: End },
): Promise<Outcome> {
  const { keys } = store
  const { network, id, node, createRevision } = endpoint
  const key = keys.endpoint(network, id)
  const addresses = holdings.flatMap(({ address }) => address ?? [])
  return store.commit({
    compares: [
      createdAt(key, createRevision),
      createdAt(keys.node(node), generation),
      ...holdings.map(({ compare }) => compare),
    ],
    writes: [
      remove(key),
      ...holdings.map((holding) => remove(holding.key)),
      ...addresses.map((ip) => putToRest(keys, network, ip, node, rest)),
      remove(keys.placement(node, network, id)),
      ...tenureWrites(keys, { ...endpoint, addresses }, tenureEnd),
    ],
    // Whether they are there is what counts, readable or not.
    otherwise: [key, keys.node(node)].map(({ path }) => ({ path, type: null })),
  })
}

/** All that the claim wrote in one transaction with the endpoint. */
function asClaimed({ keys }: Store, { network, name, mac, addresses, createRevision }: EndpointView): Holding[] {
  const held = (key: Holding['key'], address?: Ip): Holding => ({
    key,
    address,
    compare: createdAt(key, createRevision),
  })
  return [
    held(keys.mac(network, mac)),
    ...(name ? [held(keys.name(network, name))] : []),
    ...addresses.map((ip) => held(keys.address(network, ip), ip)),
  ]
}

/** What names the endpoint now; what cannot be read names nobody. */
async function stillHeld(store: Store, holdings: readonly Holding[], id: string): Promise<Holding[]> {
  const entries = await Promise.all(
    holdings.map(({ key }) =>
      store.get(key).catch((error: unknown) => {
        if (!hasCode(error, 'internal')) throw error
        return undefined
      }),
    ),
  )
  return holdings.flatMap((holding, at) => {
    const entry = entries[at]
    return entry?.value.endpointId === id ? [{ ...holding, compare: unchanged(entry) }] : []
  })
}
