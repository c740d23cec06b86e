/** Empties a network through the agents of its nodes. */
import { setMaxListeners } from 'node:events'
import { type ErrorCode, hasCode, OverlayError } from '../../lib/errors.ts'
import { mapParallel } from '../../lib/parallel.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Endpoint } from '../../proto/index.ts'
import { removalOf } from '../../store/etcdctl.ts'
import type { Entry, Store } from '../../store/store.ts'
import type { AgentLinks } from '../agent-links.ts'

/** What is needed of the agents' links. */
export type Agents = Pick<AgentLinks, 'isConnected' | 'ask'>

/** Endpoints that are being detached at a time. */
const atOnce = 16
/** How many endpoints, or nodes, a refusal names. */
const named = 5
/** An attach takes a moment between its record and what its agent knows. */
const attempts = 4
const backoff = { first: 200, most: 1_000 }

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
  // Every question listens: many are no leak.
  setMaxListeners(0, signal)
  let detached = 0
  let failure: OverlayError | undefined
  await mapParallel(entries, atOnce, async (entry) => {
    if (failure) return
    try {
      if (await detachOne(store, links, entry, signal)) detached++
    } catch (error) {
      failure ??= OverlayError.from(error)
    }
  })
  if (!failure) return detached
  const again = '; try again, or remove a node that is gone for good (overlayctl node rm NODE)'
  throw new OverlayError(
    failure.code,
    `network ${network} stays, with ${detached} of ${endpoints.length} endpoints detached: ${failure.message}${failure.code === 'failed_precondition' ? '' : again}`,
  )
}

/**
 * An agent knows nothing yet of what is being attached at that moment: it is
 * asked again, for as long as the record is there.
 * @returns whether we did it: false when somebody else has detached it.
 * @throws OverlayError `failed_precondition` when its agent does not know it.
 */
async function detachOne(store: Store, links: Agents, entry: Entry<Endpoint>, signal: AbortSignal): Promise<boolean> {
  const { node } = entry.value
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await pause(delayBefore(attempt, backoff), signal)
    if (await ask(links, entry.value, signal)) return true
    const there = await store.get<null>({ path: entry.path, type: null })
    if (there?.createRevision !== entry.createRevision) return false
  }
  throw new OverlayError(
    'failed_precondition',
    `endpoint ${describe(entry.value)} is on node ${node} by its record, but the agent there does not know it: see what "overlayctl ipam check" finds, or start that agent anew, and try again`,
  )
}

/** @returns whether its agent knew it. */
async function ask(links: Agents, endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
  const { id, node } = endpoint
  try {
    const { detach } = await links.ask(node, { detach: { endpointId: id, network: '', node } }, signal)
    if (!detach) throw new OverlayError('internal', 'the agent answered another question than it was asked')
    // Its interface is down, but its addresses are not released yet.
    if (detach.warning) throw new OverlayError('unavailable', detach.warning)
    return true
  } catch (error) {
    if (hasCode(error, 'not_found')) return false
    const { code, message } = OverlayError.from(error)
    throw new OverlayError(code, `endpoint ${describe(endpoint)} on ${node}: ${message}`)
  }
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
      const { code, wayOut } = await explain(store, node)
      const there = endpoints.filter((endpoint) => endpoint.node === node)
      const list = there.slice(0, named).map(describe).join(', ')
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

async function explain(store: Store, node: string): Promise<{ code: ErrorCode; wayOut: string }> {
  const { keys } = store
  const [record, session] = await Promise.all([store.get(keys.node(node)), store.get(keys.session(node))])
  if (!record) return { code: 'unavailable', wayOut: 'which is being removed from the cluster: try again in a moment' }
  if (session)
    return {
      code: 'unavailable',
      wayOut: 'which is alive, but has no connection to this controller (yet): try again in a moment',
    }
  return {
    code: 'failed_precondition',
    wayOut: `which is not alive: start its agent, or remove the node (overlayctl node rm ${node})`,
  }
}

function describe({ id, name }: Endpoint): string {
  return `${id}${name && ` (${name})`}`
}
