/** How a starting agent gets in sync, before anything is written to the kernel. */
import { retry } from '../lib/retry.ts'
import { partsBelow } from '../store/keys.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import type { Kernel } from './kernel/kernel.ts'
import { readAlias } from './state/device-names.ts'
import { orphan } from './view/orphan.ts'

/**
 * Follows all networks that have endpoints here, by the store or by the kernel.
 * An endpoint that only the kernel has was evicted if the node's generation is
 * another than when it was attached; if not, the store is in doubt. It is so,
 * too, when it lacks the network of a live endpoint.
 */
export async function getInSync(parts: EndpointParts, sameGeneration: boolean): Promise<void> {
  const { store, view, sync, kernel, intents, signal } = parts
  const veths = await localVeths(kernel, view.self.clusterUid)
  const placements = store.keys.placements(view.self.node)
  const placed = await untilAnswered(() => store.list(placements), signal)
  const networks = new Set([
    ...placed.entries.map(({ path }) => partsBelow(placements, path)[0] ?? ''),
    ...veths.map(({ network }) => network),
  ])
  await sync.start(networks)
  for (const { network, id, item } of veths)
    if (sameGeneration && !view.endpoint(network, id) && !intents.isOpen(id))
      sync.withheld.addEndpoint(orphan(view.self.node, network, id, item))
  for (const name of networks) if (view.hasNetwork(name) && !view.network(name)) sync.withheld.addNetwork(name)
}

/** Asks until the store answers or the signal aborts. */
export function untilAnswered<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return retry(question, { signal, backoff: { first: 100, most: 2_000 } })
}

async function localVeths(kernel: Kernel, clusterUid: string) {
  return (await kernel.observe()).flatMap((item) => {
    const mark = item.kind === 'veth' ? readAlias(clusterUid, item.alias) : undefined
    return item.kind === 'veth' && mark?.endpointId ? [{ network: mark.network, id: mark.endpointId, item }] : []
  })
}
