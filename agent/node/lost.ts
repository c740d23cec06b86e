/** Endpoints that this node lost with its record: they go before anything new comes, for their addresses may be others' by now. */
import type { Logger } from '../../lib/log.ts'
import type { EndpointParts } from '../endpoint/parts.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { isPluggable } from '../plan.ts'
import { pluggedEndpoints } from '../state/device-names.ts'
import { endpointKey } from '../state/key.ts'

/**
 * This node was evicted while its agent runs: takes down all that it had, also
 * where nothing else may be deleted.
 * @throws OverlayError when the kernel could not; it may be repeated.
 */
export async function takeDownLost({ view, sync, reconciler, kernel }: EndpointParts): Promise<void> {
  reconciler.mark(view.setSelf({ generation: undefined }))
  sync.withheld.review()
  // The view may have forgotten what it was told the end of.
  const lost = pluggedEndpoints(view.self.clusterUid, await kernel.observe())
  await reconciler.settle(
    lost.map(({ network, id }) => endpointKey(network, id)),
    { forced: true },
  )
}

/**
 * The same at a start, before the node registers anew: the store, which is
 * believed, has no record of it, but it had one in a former run.
 */
export async function takeDownUnregistered(
  kernel: Pick<Kernel, 'observe' | 'apply'>,
  clusterUid: string,
  log: Logger,
): Promise<void> {
  await takeDown(kernel, pluggedEndpoints(clusterUid, await kernel.observe()), log)
}

/**
 * The same at a start, for an eviction since the last run, whose generation is
 * `before`, when the node has been registered anew since: the first audit would
 * add what is new before it deletes. What cannot be taken down here, that audit
 * tries again.
 */
export async function takeDownFormer({ view, guard, kernel, log }: EndpointParts, before: number): Promise<void> {
  const { clusterUid, generation } = view.self
  if (before === 0 || before === generation || guard.reason()) return
  const lost = pluggedEndpoints(clusterUid, await kernel.observe()).filter(({ network, id }) => {
    const endpoint = view.endpoint(network, id)
    return !endpoint || !isPluggable(view.self, endpoint)
  })
  await takeDown(kernel, lost, log)
}

async function takeDown(
  kernel: Pick<Kernel, 'apply'>,
  lost: ReturnType<typeof pluggedEndpoints>,
  log: Logger,
): Promise<void> {
  if (lost.length === 0) return
  log.info({ endpoints: lost.map(({ id }) => id) }, 'taken down: this node was removed from the cluster meanwhile')
  await kernel.apply(lost.map(({ item }) => ({ do: 'delete', item })))
}
