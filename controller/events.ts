/** What happens in the cluster, told to everybody who watches. */
import type { Logger } from '../lib/log.ts'
import { Event, type EventAction, type Init, Network, type Session } from '../proto/index.ts'
import { aborted } from '../store/hold-lease.ts'
import type { Store } from '../store/store.ts'
import type { AgentLinks } from './agent-links.ts'
import { subject } from './differences.ts'
import { actions, tellOfNodes } from './node-events.ts'
import { Outbox } from './outbox.ts'
import { type RangeView, viewRange } from './range-view.ts'
import type { Warnings } from './warnings/warnings.ts'

/** Events that may wait for one watcher. */
const mostWaiting = 10_000
/** Warnings that a new watcher is told. */
const mostAtFirst = 1_000

export interface ClusterEvents {
  /** How many watch. */
  readonly watchers: number
  /**
   * What there is to warn of, then events from now on, until `signal` aborts.
   * @throws OverlayError `unavailable` when they are read too slowly.
   */
  watch(signal: AbortSignal): AsyncIterable<Event>
}

export interface ClusterEventsOptions {
  readonly store: Store
  readonly sessions: RangeView<Session>
  readonly warnings: Warnings
  /** Agents tell there what they mend. */
  readonly links: Pick<AgentLinks, 'onRepairs'>
  /** Ends the following of the store. */
  readonly signal: AbortSignal
  readonly log: Logger
  readonly now?: () => Date
}

/** The store is followed once for all watchers, from the first one on. */
export function clusterEvents(options: ClusterEventsOptions): ClusterEvents {
  const { store, sessions, warnings, links, signal, log, now = () => new Date() } = options
  const watchers = new Set<Outbox<Event>>()
  const eventOf = (action: EventAction, object: Init<Event>) =>
    Event.create({ time: now().toISOString(), action, ...object })
  const tell = (action: EventAction, object: Init<Event>) => {
    if (watchers.size === 0) return
    const event = eventOf(action, object)
    for (const watcher of watchers) watcher.put(event)
  }
  let started: Promise<RangeView<Network>> | undefined

  async function start(): Promise<RangeView<Network>> {
    const { keys } = store
    const networks = viewRange(store, keys.networks, signal, log)
    const nodes = viewRange(store, keys.nodes, signal, log)
    const endpoints = viewRange(store, keys.allEndpoints, signal, log)
    const drains = viewRange(store, keys.drains, signal, log)
    networks.onDifference((one) => tell(actions[one.kind], { network: subject(one) }))
    endpoints.onDifference((one) => tell(actions[one.kind], { endpoint: subject(one) }))
    warnings.onDifference((one) => {
      const { network, problem, message } = subject(one)
      if (one.kind === 'removed') tell('CLEARED', about(networks, network, `no longer: ${problem}`))
      else tell('WARNED', about(networks, network, message))
    })
    const nodesTold = tellOfNodes({ keys, nodes, sessions, drains, links, tell })
    await Promise.all([nodesTold, networks.inSync, endpoints.inSync])
    return networks
  }

  /** The network may be gone, or not be seen yet. */
  function about(networks: RangeView<Network>, name: string, message: string) {
    const network = networks.entries.get(store.keys.network(name).path)?.value ?? Network.create({ name })
    return { network, message }
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
        const networks = await Promise.race([started, aborted(caller)])
        if (caller.aborted || !networks) return
        for (const { network, message } of warnings.told(mostAtFirst))
          outbox.put(eventOf('WARNED', about(networks, network, message)))
        watchers.add(outbox)
        yield* outbox
      } finally {
        watchers.delete(outbox)
        caller.removeEventListener('abort', end)
      }
    },
  }
}
