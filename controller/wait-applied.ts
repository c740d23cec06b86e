/** Waits until every live agent has applied a network. */
import { setMaxListeners } from 'node:events'
import { hasCode, OverlayError } from '../lib/errors.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import type { Session, WaitAppliedRequest, WaitAppliedResponse } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import type { AgentLinks } from './agent-links.ts'
import { type Difference, subject } from './differences.ts'
import { findNetwork } from './networks/reference.ts'
import type { RangeView } from './range-view.ts'

/** Until an agent that could not tell is asked again. */
const askAgain: Backoff = { first: 250, most: 2_000 }

export interface WaitAppliedOptions {
  readonly store: Store
  readonly links: AgentLinks
  readonly sessions: RangeView<Session>
}

/**
 * Asks over the agents' streams; while it waits it reads nothing from the store. An
 * agent that is alive but not connected is waited for, one that dies meanwhile
 * is not.
 * @throws OverlayError `not_found`; `invalid`, of a revision that the store has
 * not come to; `deadline`, naming the nodes that have not
 * applied it, when `signal` aborts; what an agent says that cannot apply it.
 */
export async function waitApplied(
  { store, links, sessions }: WaitAppliedOptions,
  request: WaitAppliedRequest,
  signal: AbortSignal,
): Promise<WaitAppliedResponse> {
  const { revision } = request
  if (revision < 1) throw new OverlayError('invalid', 'revision: give the one that the network was made or changed at')
  const network = (await findNetwork(store, request.network)).value.name
  await sessions.inSync
  const { unseen, now } = await liveButUnseen(store, sessions)
  if (revision > now) throw new OverlayError('invalid', `revision ${revision}: the store is only at ${now}`)
  const applied = new Set<string>()
  const asked = new Set<string>()
  /** How often each could not tell. */
  const failures = new Map<string, number>()
  const done = new AbortController()
  // Every question listens: many are no leak.
  setMaxListeners(0, done.signal)
  const live = () => [...new Set([...unseen, ...[...sessions.entries.values()].map(({ value }) => value.node)])]
  return new Promise<WaitAppliedResponse>((resolve, reject) => {
    const endings: (() => void)[] = []
    const end = (settle: () => void) => {
      if (done.signal.aborted) return
      done.abort()
      for (const ending of endings) ending()
      settle()
    }
    const ask = async (node: string) => {
      asked.add(node)
      try {
        await links.ask(node, { applied: { network, revision } }, done.signal)
        applied.add(node)
      } catch (error) {
        if (!hasCode(error, 'unavailable')) return end(() => reject(OverlayError.from(error)))
        const failed = failures.get(node) ?? 0
        failures.set(node, failed + 1)
        await pause(beforeAskingAgain(failed, error), done.signal)
      }
      asked.delete(node)
      look()
    }
    const look = () => {
      if (done.signal.aborted) return
      const missing = live().filter((node) => !applied.has(node))
      if (missing.length === 0) return end(() => resolve({ nodes: [...applied].toSorted() }))
      for (const node of missing) if (!asked.has(node) && links.isConnected(node)) void ask(node)
    }
    const follow = (difference: Difference<Session>) => {
      unseen.delete(subject(difference).node)
      look()
    }
    const giveUp = () => end(() => reject(lateError(network, live(), applied)))
    signal.addEventListener('abort', giveUp, { once: true })
    endings.push(sessions.onDifference(follow), links.onChange(look), () => signal.removeEventListener('abort', giveUp))
    if (signal.aborted) giveUp()
    else look()
  })
}

/**
 * Milliseconds: its stream broke, it has lost the store, or it has too much to
 * do. It is asked again, but not at once, and no sooner than it said.
 */
export function beforeAskingAgain(failed: number, { retryAfter = 0 }: OverlayError): number {
  return Math.max(delayBefore(failed, askAgain), retryAfter)
}

/**
 * What we follow may be behind: who began just before the call is alive, too.
 * `now` is the store's revision.
 */
async function liveButUnseen(store: Store, sessions: RangeView<Session>) {
  const gone = new Set<string>()
  const stop = sessions.onDifference((difference) => {
    if (difference.kind === 'removed') gone.add(difference.before.node)
  })
  try {
    const listed = await store.list(store.keys.sessions)
    const unseen = listed.entries.filter(({ path, value }) => !sessions.entries.has(path) && !gone.has(value.node))
    return { unseen: new Set(unseen.map(({ value }) => value.node)), now: listed.revision }
  } finally {
    stop()
  }
}

function lateError(network: string, live: readonly string[], applied: ReadonlySet<string>): OverlayError {
  const missing = live.filter((node) => !applied.has(node)).toSorted()
  const list = `${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ` and ${missing.length - 10} more` : ''}`
  return new OverlayError(
    'deadline',
    `network ${network} is stored, but not applied in time on ${list}: see the agents' logs, or wait longer (--timeout)`,
  )
}
