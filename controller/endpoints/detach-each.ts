/** Detaches many endpoints through the agents of their nodes. */
import { setMaxListeners } from 'node:events'
import { type ErrorCode, hasCode, OverlayError } from '../../lib/errors.ts'
import { mapParallel } from '../../lib/parallel.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Endpoint } from '../../proto/index.ts'
import type { Entry, Store } from '../../store/store.ts'
import type { AgentLinks } from '../agent-links.ts'
import { wrongAnswer } from './forward.ts'

/** What is needed of the agents' links. */
export type Agents = Pick<AgentLinks, 'isConnected' | 'ask'>

/** Endpoints that are being detached at a time. */
const atOnce = 16
/** An attach takes a moment between its record and what its agent knows. */
const attempts = 4
const backoff = { first: 200, most: 1_000 }

export interface Detached {
  /** How many were detached, by us. */
  readonly count: number
  /** Why not all: the first refusal, `failed_precondition` where an agent does not know its endpoint. */
  readonly failure: OverlayError | undefined
}

/**
 * Only the agent of its own host takes an endpoint away. One that its agent does
 * not know does not keep the others; after any other failure, for example of the
 * link, no more are begun.
 */
export async function detachEach(
  store: Store,
  links: Agents,
  entries: readonly Entry<Endpoint>[],
  signal: AbortSignal,
): Promise<Detached> {
  // Every question listens: many are no leak.
  setMaxListeners(0, signal)
  let count = 0
  let failure: OverlayError | undefined
  await mapParallel(entries, atOnce, async (entry) => {
    if (failure && failure.code !== 'failed_precondition') return
    try {
      if (await detachOne(store, links, entry, signal)) count++
    } catch (thrown) {
      const error = OverlayError.from(thrown)
      // What ended the work is told first.
      if (!failure || failure.code === 'failed_precondition') failure = error
    }
  })
  return { count, failure }
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
    `endpoint ${endpointText(entry.value)} is on node ${node} by its record, but the agent there does not know it: see what "overlayctl ipam check" finds, or start that agent anew, and try again`,
  )
}

/** @returns whether its agent knew it. */
async function ask(links: Agents, endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
  const { id, node } = endpoint
  try {
    const { detach } = await links.ask(node, { detach: { endpointId: id, network: '', node } }, signal)
    if (!detach) throw wrongAnswer(node)
    // Its interface is down, but its addresses are not released yet.
    if (detach.warning) throw new OverlayError('unavailable', detach.warning)
    return true
  } catch (error) {
    if (hasCode(error, 'not_found')) return false
    const refused = OverlayError.from(error)
    throw refused.saying(`endpoint ${endpointText(endpoint)} on ${node}: ${refused.message}`)
  }
}

/** Why a node's agent cannot be asked, and what to do: `which is not alive: start its agent, …`. */
export async function explainAbsence(store: Store, node: string): Promise<{ code: ErrorCode; wayOut: string }> {
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

/** Its id and, in brackets, its name. */
export function endpointText({ id, name }: Endpoint): string {
  return `${id}${name && ` (${name})`}`
}
