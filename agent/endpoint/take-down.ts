/** The end of an endpoint: interface first, then its record; by detach, because an attach failed, or its sandbox is gone. */
import { hasCode } from '../../lib/errors.ts'
import { release } from '../ipam/release.ts'
import type { End } from '../node/intent-file.ts'
import { endpointKey } from '../state/key.ts'
import type { EndpointView } from '../state/view.ts'
import type { EndpointParts } from './parts.ts'

/**
 * Takes the interface down and gives the addresses back. Without a store the
 * release stays open as an intent and is settled later: the warning says so.
 * @throws OverlayError when the kernel could not take the interface down; the
 * intent stays open then, too.
 */
export async function takeDown(parts: EndpointParts, endpoint: EndpointView, end?: End): Promise<{ warning: string }> {
  const { reconciler, intents, view, health, guard, log } = parts
  const { network, id } = endpoint
  const intent = {
    kind: 'release',
    network,
    endpointId: id,
    bootId: view.self.bootId,
    cookie: endpoint.sandbox?.cookie ?? '',
    ...(end && { end }),
  } as const
  reconciler.mark(intents.begin(intent))
  await reconciler.settle([endpointKey(network, id)], { forced: true })
  // The release is for the store that the claim was made in.
  const distrust = guard.distrust()
  if (distrust)
    return {
      warning: `the interface is gone, but its addresses are only released when the store is in order: ${distrust}`,
    }
  const away = health.problem()
  if (away)
    return {
      warning: `the interface is gone, but its addresses are only released when the store answers: ${away.message}`,
    }
  try {
    await health.observe(() => releaseAndForget(parts, endpoint, end))
    return { warning: '' }
  } catch (error) {
    // The store is away, or this node was evicted: both pass.
    const passing = hasCode(error, 'unavailable') || hasCode(error, 'conflict') || hasCode(error, 'failed_precondition')
    if (!passing) throw error
    log.warn({ err: error, endpoint: id }, 'detached; its addresses are released later')
    return { warning: `the interface is gone, but its addresses are only released later: ${error.message}` }
  }
}

/** The second half: record, view and intent. */
export async function releaseAndForget(parts: EndpointParts, endpoint: EndpointView, end?: End): Promise<void> {
  const { store, quarantine, registration, intents, reconciler, sync, view } = parts
  const { network, id } = endpoint
  const generation = () => registration().generation()
  const revision = await release({ store, quarantine, generation }, endpoint, end)
  sync.wroteAt(revision)
  sync.withheld.endpointSettled(id)
  const keys = [...view.removeEndpoint(network, id, revision), ...intents.end({ network, endpointId: id })]
  reconciler.mark(keys)
}

/** Stops following a network that nothing on this host is attached to any more, unless every host has it. */
export function dropIfUnused({ view, sync, intents, pool }: EndpointParts, network: string): void {
  for (const _ of view.localEndpoints(network)) return
  if (intents.open().some((intent) => intent.network === network)) return
  sync.unfollow(network)
  if (!view.network(network)?.eager) pool.forget(network)
}
