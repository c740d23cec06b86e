/** Empties a network through the agents of its nodes. */
import { OverlayError } from '../../lib/errors.ts'
import type { Endpoint } from '../../proto/index.ts'
import { removalOf } from '../../store/etcdctl.ts'
import type { Store } from '../../store/store.ts'
import { type Agents, detachEach, endpointText, explainAbsence } from '../endpoints/detach-each.ts'

/** How many endpoints, or nodes, a refusal names. */
const named = 5

/**
 * Detaches all endpoints that there are, once: some may come meanwhile. Only
 * the agent of its own host takes an endpoint away, so that nothing is detached
 * when one of the agents cannot be asked.
 * @returns how many were detached, by us.
 * @throws OverlayError `failed_precondition` or `unavailable`, naming endpoints
 * and nodes.
 */
export async function detachAll(store: Store, links: Agents, network: string, signal: AbortSignal): Promise<number> {
  const { entries, unreadable } = await store.list(store.keys.endpoints(network))
  refuseUnreadable(network, unreadable)
  const endpoints = entries.map((entry) => entry.value)
  await refuseAbsent(store, links, network, endpoints)
  const { count: detached, failure } = await detachEach(store, links, entries, signal)
  if (!failure) return detached
  const again = '; try again, or remove a node that is gone for good (overlayctl node rm NODE)'
  throw failure.saying(
    `network ${network} stays, with ${detached} of ${endpoints.length} endpoints detached: ${failure.message}${failure.code === 'failed_precondition' ? '' : again}`,
  )
}

/**
 * An endpoint whose record cannot be read keeps its network: whose it is, is not known.
 * @throws OverlayError `failed_precondition`
 */
export function refuseUnreadable(network: string, paths: readonly string[]): void {
  const [first] = paths
  if (first === undefined) return
  const list = paths.slice(0, named).join(', ')
  const more = paths.length > named ? ` and ${paths.length - named} more` : ''
  throw new OverlayError(
    'failed_precondition',
    `network ${network} has endpoints whose records cannot be read: ${list}${more}; put each right, or remove it if its endpoint is no more (${removalOf(first)}), and try again: "overlayctl ipam check" tells more. Nothing was detached`,
  )
}

/** Before anything is detached. */
async function refuseAbsent(
  store: Store,
  links: Agents,
  network: string,
  endpoints: readonly Endpoint[],
): Promise<void> {
  const absent = [...new Set(endpoints.map(({ node }) => node))].filter((node) => !links.isConnected(node)).toSorted()
  if (absent.length === 0) return
  const reasons = await Promise.all(
    absent.slice(0, named).map(async (node) => {
      const { code, wayOut } = await explainAbsence(store, node)
      const there = endpoints.filter((endpoint) => endpoint.node === node)
      const list = there.slice(0, named).map(endpointText).join(', ')
      const more = there.length > named ? ` and ${there.length - named} more` : ''
      return { code, text: `${list}${more} on node ${node}, ${wayOut}` }
    }),
  )
  const code = reasons.some((reason) => reason.code === 'failed_precondition') ? 'failed_precondition' : 'unavailable'
  const nodes = absent.length > named ? `; and on ${absent.length - named} more nodes` : ''
  throw new OverlayError(
    code,
    `network ${network} has endpoints that cannot be detached: ${reasons.map(({ text }) => text).join('; ')}${nodes}. Nothing was detached`,
  )
}
