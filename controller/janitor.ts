/**
 * Finishes what a crash left half done: removes the endpoints and routes of
 * nodes that are no more; keeps the journal of addresses within bounds; and
 * evicts nodes that stay unreachable, where that is wanted. One controller does
 * it, elected through the store.
 */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/retry.ts'
import type { Controller } from '../proto/index.ts'
import { elect } from '../store/election.ts'
import { partBelow, partsBelow } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { type Trimmed, trimJournal } from './ipam/journal.ts'
import { evict } from './nodes/evict.ts'
import { type EvictUnreachableOptions, evictUnreachable } from './nodes/evict-unreachable.ts'
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
  /** When unreachable nodes are evicted. */
  readonly unreachable: Omit<EvictUnreachableOptions, 'term' | 'fence' | 'log'>
  /** Seconds after which a dead leader's office is free; default 5. */
  readonly ttlSeconds?: number
}

/** Of those who stand for it one is the janitor. */
export const janitorOffice = 'janitor'

/** Stands for the office until `signal` aborts. */
export async function janitor(store: Store, options: JanitorOptions): Promise<void> {
  const { candidate, signal, log, unreachable, ttlSeconds = 5 } = options
  await elect(store, {
    office: janitorOffice,
    candidate,
    ttlSeconds,
    signal,
    log,
    lead: async (term, fence) => {
      await Promise.all([cleanUp(store, options, term), evictUnreachable(store, { ...unreachable, term, fence, log })])
    },
  })
}

async function cleanUp(store: Store, options: JanitorOptions, term: AbortSignal): Promise<void> {
  const { log, interval = 60_000, grace = 2_000 } = options
  let wake = new AbortController()
  const nodes = viewRange(store, store.keys.nodes, term, log)
  nodes.onDifference((difference) => {
    if (difference.kind === 'removed') wake.abort()
  })
  const trimmed: Trimmed = new Map()
  while (!term.aborted) {
    // Before the round: what is removed during it begins another.
    wake = new AbortController()
    await round(store, log, term, trimmed)
    await pause(interval, term, wake.signal)
    if (wake.signal.aborted) await pause(grace, term)
  }
}

async function round(store: Store, log: Logger, term: AbortSignal, trimmed: Trimmed): Promise<void> {
  try {
    for await (const node of rememberedNodes(store)) {
      if (term.aborted) return
      await evictIfGone(store, log, node)
    }
    await trimJournal(store, log, term, { trimmed })
  } catch (error) {
    // Level-triggered: the next round finds what is left.
    log.warn({ err: OverlayError.from(error) }, 'round of the janitor ended early')
  }
}

/** What cannot be removed of one node must not keep the rest waiting for ever. */
async function evictIfGone(store: Store, log: Logger, node: string): Promise<void> {
  // Whether it is there is what counts, readable or not.
  if (await store.get<null>({ path: store.keys.node(node).path, type: null })) return
  try {
    const endpoints = await evict(store, node)
    log.info({ node, endpoints }, 'what a removed node had left is removed')
  } catch (error) {
    log.warn({ err: OverlayError.from(error), node }, 'what a removed node had left cannot be removed yet')
  }
}

/** The nodes that anything is kept for. */
async function* rememberedNodes(store: Store): AsyncGenerator<string> {
  yield* placedNodes(store)
  for (const range of [store.keys.hostRoutes, store.keys.drains]) {
    const { paths } = await store.paths(range)
    yield* paths.flatMap((path) => partBelow(range, path) || [])
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
