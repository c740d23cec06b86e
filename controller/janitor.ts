/**
 * Finishes what a crash left half done: removes the endpoints of nodes that are
 * no more. One controller does it, elected through the store.
 */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/retry.ts'
import type { Controller } from '../proto/index.ts'
import { elect } from '../store/election.ts'
import { partsBelow } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { evict } from './nodes/evict.ts'
import { viewRange } from './range-view.ts'

export interface JanitorOptions {
  /** Who stands for the office. */
  readonly candidate: Controller
  readonly signal: AbortSignal
  readonly log: Logger
  /** Milliseconds between two rounds; default a minute. */
  readonly interval?: number
  /** Milliseconds that who removed a node has to remove its endpoints; default 2000. */
  readonly grace?: number
}

const timeToLive = 10

/** Stands for the office until `signal` aborts. */
export async function janitor(store: Store, options: JanitorOptions): Promise<void> {
  const { candidate, signal, log, interval = 60_000, grace = 2_000 } = options
  await elect(store, {
    office: 'janitor',
    candidate,
    ttlSeconds: timeToLive,
    signal,
    log,
    lead: async (term) => {
      let wake = new AbortController()
      const nodes = viewRange(store, store.keys.nodes, term, log)
      nodes.onDifference((difference) => {
        if (difference.kind === 'removed') wake.abort()
      })
      while (!term.aborted) {
        // Before the round: what is removed during it begins another.
        wake = new AbortController()
        await round(store, log, term)
        await pause(interval, AbortSignal.any([term, wake.signal]))
        if (wake.signal.aborted) await pause(grace, term)
      }
    },
  })
}

async function round(store: Store, log: Logger, term: AbortSignal): Promise<void> {
  try {
    for await (const node of placedNodes(store)) {
      if (term.aborted) return
      if (await store.get(store.keys.node(node))) continue
      const endpoints = await evict(store, node)
      log.info({ node, endpoints }, 'endpoints of a removed node removed')
    }
  } catch (error) {
    // Level-triggered: the next round finds what is left.
    log.warn({ err: OverlayError.from(error) }, 'round of the janitor ended early')
  }
}

/** The nodes that have placements: one short read for each. */
async function* placedNodes(store: Store): AsyncGenerator<string> {
  const range = store.keys.allPlacements
  let after: string | undefined
  for (;;) {
    const { entries } = await store.page(range, after === undefined ? { limit: 1 } : { limit: 1, after })
    const [node] = entries.flatMap(({ path }) => partsBelow(range, path).slice(0, 1))
    if (node === undefined) return
    yield node
    // Above every key of this node: names have no tilde.
    after = `${range.prefix}${node}/~`
  }
}
