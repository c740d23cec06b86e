/** Settles what a lost answer, a crash or a reboot left open. */
import { OverlayError } from '../../lib/errors.ts'
import { mapParallel } from '../../lib/parallel.ts'
import { retry } from '../../lib/retry.ts'
import { absent, createdAt } from '../../store/store.ts'
import type { End, Intent } from '../node/intent-file.ts'
import { endpointKey } from '../state/key.ts'
import type { EndpointView } from '../state/view.ts'
import { readEndpoint } from '../view/records.ts'
import type { EndpointParts } from './parts.ts'
import { dropIfUnused, releaseAndForget, takeDown } from './take-down.ts'

/**
 * Settles every open intent that is not just being worked on: a claim is
 * undone, a release done. Goes on later where the store is away, or not to be
 * believed.
 */
export async function settleAll(parts: EndpointParts): Promise<void> {
  if (parts.guard.distrust()) return
  await Promise.all(parts.intents.open().map((intent) => settlePatiently(parts, intent)))
}

/**
 * Before a sandbox is attached again, what is open about it in other networks is
 * settled. `signal` is the caller's.
 * @throws OverlayError `unavailable`, also when too many wait there; `deadline`
 * when `signal` aborts before the turn
 */
export async function settleElsewhere(
  parts: EndpointParts,
  cookie: string,
  network: string,
  signal: AbortSignal,
): Promise<void> {
  for (const intent of openFor(parts, cookie))
    if (intent.network !== network) await parts.turns.offer(intent.network, signal, () => settle(parts, intent))
}

/** The same in the network itself, whose turn it is. @throws OverlayError `unavailable` */
export async function settleHere(parts: EndpointParts, cookie: string, network: string): Promise<void> {
  for (const intent of openFor(parts, cookie)) if (intent.network === network) await settle(parts, intent)
}

/** An intent that was written without the store does not know its sandbox; the view may. */
function openFor({ intents, view }: EndpointParts, cookie: string): readonly Intent[] {
  return intents.open().filter((intent) => {
    const { sandbox } = view.endpoint(intent.network, intent.endpointId) ?? {}
    return (intent.cookie || sandbox?.cookie) === cookie
  })
}

/** As `takeDown`; what it leaves open is settled as soon as that is possible. */
export async function takeDownInTheEnd(
  parts: EndpointParts,
  endpoint: EndpointView,
  end?: End,
): Promise<{ warning: string }> {
  try {
    return await takeDown(parts, endpoint, end)
  } finally {
    // Where the store is away, its return settles everything.
    if (parts.intents.isOpen(endpoint.id) && !parts.health.problem()) void settleAll(parts)
  }
}

/**
 * Releases own endpoints whose sandboxes went with a former boot of this host.
 * Each network's turn is taken at once: who attaches to it now comes after that.
 */
export async function releaseFormerBoots(parts: EndpointParts): Promise<void> {
  const { view, log } = parts
  const former = [...view.localEndpoints()].filter(({ sandbox }) => sandbox && sandbox.bootId !== view.self.bootId)
  for (const { id, network } of former)
    log.info({ endpoint: id, network }, 'its sandbox is gone since the host was booted')
  const networks = new Set(former.map(({ network }) => network))
  await Promise.all(
    Array.from(networks, (network) =>
      releaseVanished(parts, network, () => former.filter((endpoint) => endpoint.network === network)),
    ),
  )
}

/** How many are released at once. */
const releasedAtOnce = 32

/**
 * Releases endpoints that have no sandbox any more: `which` of the network is
 * asked when its turn has come. What cannot be released now stays open as an intent.
 */
export function releaseVanished(
  parts: EndpointParts,
  network: string,
  which: () => readonly EndpointView[],
): Promise<void> {
  return parts.turns.run(network, async () => {
    await mapParallel(which(), releasedAtOnce, (endpoint) =>
      takeDownInTheEnd(parts, endpoint, 'VANISHED').catch((error: unknown) =>
        parts.log.warn({ err: error, endpoint: endpoint.id }, 'a vanished sandbox is not released yet'),
      ),
    )
    dropIfUnused(parts, network)
  })
}

async function settlePatiently(parts: EndpointParts, intent: Intent): Promise<void> {
  const { turns, health, guard, settling, signal, log } = parts
  if (settling.has(intent.endpointId)) return
  settling.add(intent.endpointId)
  try {
    await retry(() => turns.run(intent.network, () => settle(parts, intent)), {
      signal,
      // When the store is back, or believed again, everything that is open is settled anew.
      worthwhile: () => !health.problem() && !guard.distrust(),
      backoff: { first: 200, most: 10_000 },
    })
  } catch (error) {
    log.warn({ err: error, intent }, 'could not be settled yet')
  } finally {
    settling.delete(intent.endpointId)
  }
}

async function settle(parts: EndpointParts, intent: Intent): Promise<void> {
  const { store, intents, view, sync, reconciler, health, guard, registration, log } = parts
  const { network, endpointId, kind } = intent
  if (!intents.isOpen(endpointId)) return
  const distrust = guard.distrust()
  if (distrust)
    throw new OverlayError('failed_precondition', `nothing is settled with a store that is in doubt: ${distrust}`)
  // The interface goes first: once the addresses are released, they may be given to another.
  await reconciler.settle([endpointKey(network, endpointId)], { forced: true })
  await health.observe(async () => {
    // A claim that is still on its way can commit no more after this.
    if (kind === 'claim') await registration().fence()
    const entry = await store.get(store.keys.endpoint(network, endpointId))
    if (entry) await releaseAndForget(parts, readEndpoint(entry), intent.end)
    else {
      await proveGone(parts, network, endpointId)
      sync.withheld.endpointSettled(endpointId)
      reconciler.mark([...view.removeEndpoint(network, endpointId, 0), ...intents.end(intent)])
    }
    log.info({ intent, undone: Boolean(entry) }, 'settled')
  })
  dropIfUnused(parts, network)
}

/** A store that lacks the endpoint proves something only if it knows this node as we do. */
async function proveGone({ store, view, registration }: EndpointParts, network: string, id: string): Promise<void> {
  const node = store.keys.node(view.self.node)
  const compares = [absent(store.keys.endpoint(network, id)), createdAt(node, registration().generation())]
  const { committed } = await store.commit({ compares, writes: [] })
  if (!committed)
    throw new OverlayError('conflict', `the store does not know node ${view.self.node} as it was registered`)
}
