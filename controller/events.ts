/** What happens in the cluster, told to everybody who watches. */
import type { Logger } from '../lib/log.ts'
import { Event, type EventAction, type Init, Node, type Session } from '../proto/index.ts'
import { aborted } from '../store/hold-lease.ts'
import type { Store } from '../store/store.ts'
import { subject } from './differences.ts'
import { Outbox } from './outbox.ts'
import { type RangeView, viewRange } from './range-view.ts'

/** Events that may wait for one watcher. */
const mostWaiting = 10_000

const actions = { created: 'CREATED', updated: 'UPDATED', removed: 'REMOVED' } as const

export interface ClusterEvents {
  /** How many watch. */
  readonly watchers: number
  /**
   * Events from now on, until `signal` aborts.
   * @throws OverlayError `unavailable` when they are read too slowly.
   */
  watch(signal: AbortSignal): AsyncIterable<Event>
}

export interface ClusterEventsOptions {
  readonly store: Store
  readonly sessions: RangeView<Session>
  /** Ends the following of the store. */
  readonly signal: AbortSignal
  readonly log: Logger
  readonly now?: () => Date
}

/** The store is followed once for all watchers, from the first one on. */
export function clusterEvents(options: ClusterEventsOptions): ClusterEvents {
  const { store, sessions, signal, log, now = () => new Date() } = options
  const watchers = new Set<Outbox<Event>>()
  const tell = (action: EventAction, object: Init<Event>) => {
    if (watchers.size === 0) return
    const event = Event.create({ time: now().toISOString(), action, ...object })
    for (const watcher of watchers) watcher.put(event)
  }
  let started: Promise<unknown> | undefined

  async function start(): Promise<void> {
    const { keys } = store
    const networks = viewRange(store, keys.networks, signal, log)
    const nodes = viewRange(store, keys.nodes, signal, log)
    const endpoints = viewRange(store, keys.allEndpoints, signal, log)
    networks.onDifference((one) => tell(actions[one.kind], { network: subject(one) }))
    nodes.onDifference((one) => tell(actions[one.kind], { node: subject(one) }))
    endpoints.onDifference((one) => tell(actions[one.kind], { endpoint: subject(one) }))
    sessions.onDifference((one) => {
      // Taken over by the same agent: it has been alive all along.
      if (one.kind === 'updated') return
      const name = subject(one).node
      const node = nodes.entries.get(keys.node(name).path)?.value ?? Node.create({ name })
      tell(one.kind === 'created' ? 'LIVE' : 'LOST', { node })
    })
    await Promise.all([networks, nodes, endpoints, sessions].map((view) => view.inSync))
  }

  return {
    get watchers() {
      return watchers.size
    },
    async *watch(caller) {
      const outbox = new Outbox<Event>(mostWaiting)
      const end = () => outbox.end()
      caller.addEventListener('abort', end, { once: true })
      try {
        started ??= start()
        await Promise.race([started, aborted(caller)])
        if (caller.aborted) return
        watchers.add(outbox)
        yield* outbox
      } finally {
        watchers.delete(outbox)
        caller.removeEventListener('abort', end)
      }
    },
  }
}
