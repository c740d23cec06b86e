/** How a starting agent gets in sync, before anything is written to the kernel. */
import { OverlayError } from '../lib/errors.ts'
import { retry } from '../lib/retry.ts'
import { partsBelow } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import type { Living } from './living.ts'
import { pluggedEndpoints } from './state/device-names.ts'
import { orphan } from './view/orphan.ts'

/**
 * Follows all networks that have endpoints here, by the store or by the kernel.
 * An endpoint that only the kernel has was evicted if the node's generation is
 * another than when it was attached; if not, the store is in doubt. It is so,
 * too, when it lacks the network of a live endpoint. Of the `living` it is known
 * what they are.
 */
export async function getInSync(
  parts: EndpointParts,
  sameGeneration: () => boolean,
  living: readonly Living[],
): Promise<void> {
  const { store, view, sync, kernel, intents, signal } = parts
  const known = new Map(living.map(({ endpoint }) => [endpoint.id, endpoint]))
  const veths = pluggedEndpoints(view.self.clusterUid, await kernel.observe())
  const placed = await untilAnswered(() => placedNetworks(store, view.self.node), signal)
  const networks = new Set([...placed, ...veths.map(({ network }) => network)])
  await sync.start(networks)
  if (signal.aborted) throw new OverlayError('unavailable', 'the agent is being stopped')
  for (const { network, id, item } of veths)
    if (sameGeneration() && !view.endpoint(network, id) && !intents.isOpen(id))
      sync.withheld.addEndpoint(known.get(id) ?? orphan(view.self.node, network, id, item))
  for (const name of networks) if (view.hasNetwork(name) && !view.network(name)) sync.withheld.addNetwork(name)
}

/** The networks that the store has endpoints of this node in. */
export async function placedNetworks({ keys, paths }: Pick<Store, 'keys' | 'paths'>, node: string) {
  const placements = keys.placements(node)
  const placed = await paths(placements)
  return new Set(placed.paths.map((path) => partsBelow(placements, path)[0] ?? ''))
}

/** Asks until the store answers or the signal aborts. */
export function untilAnswered<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return retry(question, { signal, backoff: { first: 100, most: 2_000 } })
}
