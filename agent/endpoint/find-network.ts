/** The network of a request: from the view, and where that may lag behind, from the store. */
import { OverlayError } from '../../lib/errors.ts'
import { byReference, couldBeUid } from '../../lib/reference.ts'
import type { Network } from '../../proto/index.ts'
import type { Entry } from '../../store/store.ts'
import type { NetworkView } from '../state/view.ts'
import { readNetwork } from '../view/records.ts'
import type { EndpointParts } from './parts.ts'

/**
 * By name, or by the beginning of a uid.
 * @throws OverlayError `not_found`; `invalid` when it is the beginning of several uids.
 */
export async function findNetwork(parts: EndpointParts, reference: string): Promise<NetworkView> {
  const { store, health, view } = parts
  const known = view.network(reference)
  if (known) return known
  const named = await health.observe(() => store.get(store.keys.network(reference)))
  const taken = named && takeNetwork(parts, named)
  if (taken) return taken
  const entries = couldBeUid(reference) ? (await health.observe(() => store.list(store.keys.networks))).entries : []
  const records = entries.map(({ value }) => value)
  const record = byReference(records, 'network', reference)
  const entry = entries.find(({ value }) => value === record)
  const found = entry && takeNetwork(parts, entry)
  if (found) return found
  throw new OverlayError(
    'not_found',
    `there is no network "${reference}": see "overlayctl ls", or make it with "overlayctl create"`,
  )
}

/**
 * Checks the network. A refusal may be due to a record that was changed since:
 * then the store's word counts.
 * @returns the network, as it passed.
 * @throws what `check` throws
 */
export async function checkNetwork(
  parts: EndpointParts,
  known: NetworkView,
  check: (network: NetworkView) => void,
): Promise<NetworkView> {
  try {
    check(known)
    return known
  } catch (error) {
    const { store, health } = parts
    const entry = await health.observe(() => store.get(store.keys.network(known.name)))
    if (!entry || entry.modRevision <= known.modRevision) throw error
    const now = takeNetwork(parts, entry)
    if (!now) throw error
    check(now)
    return now
  }
}

/**
 * Takes in a record that was read from the store: the view may lag a moment
 * behind a network that was only just made or changed.
 * @returns the network as the view has it now; undefined when it saw it go since.
 */
export function takeNetwork(
  { view, sync, reconciler }: Pick<EndpointParts, 'view' | 'sync' | 'reconciler'>,
  entry: Entry<Network>,
): NetworkView | undefined {
  const network = readNetwork(entry)
  const { name, modRevision } = network
  const wasSeenToGo = !view.network(name) && sync.hasSeenNetworks(modRevision)
  if (!wasSeenToGo && !view.contradicts(network)) reconciler.mark(view.setNetwork(network))
  return view.network(name)
}
