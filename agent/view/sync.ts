/** Keeps the view in step with the store: one follow per range that concerns this host. */
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import type { Logger } from '../../lib/log.ts'
import type { Endpoint, Network, Node } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Change, Entry, Range, Store, Update } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import type { Key } from '../state/key.ts'
import { readEndpoint, readNetwork } from './records.ts'
import type { View } from './view.ts'
import { createWithheld, type Withheld } from './withheld.ts'

export interface SyncOptions {
  readonly store: Store
  readonly view: View
  readonly guard: Guard
  readonly signal: AbortSignal
  readonly log: Logger
  /** The node's current generation; undefined while it is evicted. */
  readonly generation: () => number | undefined
  readonly onDirty: (keys: readonly Key[]) => void
  readonly onOwnNode: (entry: Entry<Node> | undefined) => void
  readonly onHistoryBroken: () => void
  readonly onLost: (error: OverlayError) => void
}

interface Follow {
  readonly stop: AbortController
  /** Resolves with the first snapshot. */
  readonly ready: Promise<void>
  isReady: boolean
}

interface Handler<T> {
  /** Paths that the view has, to find what a snapshot lacks. */
  readonly known: () => Iterable<string>
  readonly put: (entry: Entry<T>) => void
  readonly remove: (path: string) => void
  readonly seen?: (revision: number) => void
}

export class Sync {
  readonly withheld: Withheld
  readonly #options: SyncOptions
  readonly #networks = new Map<string, Follow>()
  /** Paths of the nodes that the view has. */
  readonly #nodes = new Set<string>()
  #stop = new AbortController()
  readonly #waiting = new Set<() => void>()
  #networksRevision = 0
  #highest = 0

  constructor(options: SyncOptions) {
    this.#options = options
    this.withheld = createWithheld(options)
    // Registered before this began: if the first snapshot lacks it, the node was evicted in between.
    this.#nodes.add(options.store.keys.node(options.view.self.node).path)
  }

  /** The highest revision of the store that was seen. */
  revision(): number {
    return this.#highest
  }

  /** Follows nodes, networks, and the endpoints of `networks`; resolves when all are in the view. */
  async start(networks: Iterable<string>): Promise<void> {
    const { store } = this.#options
    this.#stop = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, this.#options.signal])
    const nodes = this.#follow(store.keys.nodes, signal, this.#nodeHandler())
    const all = this.#follow(store.keys.networks, signal, this.#networkHandler())
    await Promise.all([nodes, all, ...Array.from(networks, (network) => this.follow(network))])
  }

  /** Reads all that is followed anew, over the view as it is; resolves when the view has it all. */
  readAnew(): Promise<void> {
    const networks = [...this.#networks.keys()]
    for (const { stop } of [{ stop: this.#stop }, ...this.#networks.values()]) stop.abort()
    this.#networks.clear()
    return this.start(networks)
  }

  /** Follows a network's endpoints; resolves when they are in the view. */
  follow(network: string): Promise<void> {
    const running = this.#networks.get(network)
    if (running) return running.ready
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, this.#options.signal])
    this.#options.view.follow(network)
    const first = this.#follow(this.#options.store.keys.endpoints(network), signal, this.#endpointHandler(network))
    const ready = first.then(() => {
      following.isReady = true
    })
    const following: Follow = { stop, ready, isReady: false }
    this.#networks.set(network, following)
    return ready
  }

  /** Whether its endpoints are in the view. */
  isFollowed(network: string): boolean {
    return this.#networks.get(network)?.isReady ?? false
  }

  unfollow(network: string): void {
    this.#networks.get(network)?.stop.abort()
    this.#networks.delete(network)
    this.#options.onDirty(this.#options.view.unfollow(network))
    this.withheld.review()
  }

  followed(): Iterable<string> {
    return this.#networks.keys()
  }

  /**
   * Resolves once every change of networks up to `revision` is in the view.
   * @throws OverlayError `deadline` when the signal aborts first.
   */
  async networksSeen(revision: number, signal: AbortSignal): Promise<void> {
    while (this.#networksRevision < revision) {
      if (signal.aborted) throw new OverlayError('deadline', `revision ${revision} of the store has not been seen yet`)
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        this.#waiting.add(done)
        signal.addEventListener('abort', done)
      })
    }
  }

  /** Feeds `handler` until `signal` aborts; resolves with the first snapshot. */
  #follow<T>(range: Range<T>, signal: AbortSignal, handler: Handler<T>): Promise<void> {
    return new Promise((resolve) => {
      const run = async () => {
        for await (const update of this.#options.store.follow(range, signal)) {
          if (signal.aborted) break
          this.#take(update, handler)
          if (update.kind === 'snapshot') resolve()
        }
        resolve()
      }
      run().catch((error: unknown) => this.#options.log.error({ err: error, range: range.prefix }, 'follow ended'))
    })
  }

  #take<T>(update: Update<T>, handler: Handler<T>): void {
    switch (update.kind) {
      case 'lost':
        return this.#options.onLost(update.error)
      case 'snapshot': {
        if (update.historyBroken) this.#options.onHistoryBroken()
        const present = new Set(update.paths)
        const missing = [...handler.known()].filter((path) => !present.has(path))
        for (const entry of update.entries) this.#attempt(entry.path, () => handler.put(entry))
        for (const path of missing) handler.remove(path)
        break
      }
      case 'changes':
        for (const change of update.changes) this.#attempt(pathOf(change), () => applyChange(change, handler))
    }
    if (!this.#options.guard.reason()) this.#highest = Math.max(this.#highest, update.revision)
    handler.seen?.(update.revision)
  }

  /** A record that cannot be used is told and passed over; the rest goes on. */
  #attempt(path: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#options.log.warn({ err: error, path }, 'record in the store cannot be used')
    }
  }

  #nodeHandler(): Handler<Node> {
    const { store, view, onDirty, onOwnNode } = this.#options
    const nodes = this.#nodes
    const ownPath = store.keys.node(view.self.node).path
    return {
      known: () => nodes,
      put(entry) {
        nodes.add(entry.path)
        if (entry.path === ownPath) onOwnNode(entry)
        onDirty(view.setNode(entry.value.name, parseIp(entry.value.vtepAddress)))
      },
      remove(path) {
        nodes.delete(path)
        if (path === ownPath) onOwnNode(undefined)
        onDirty(view.setNode(partsBelow(store.keys.nodes, path)[0] ?? '', undefined))
      },
    }
  }

  #networkHandler(): Handler<Network> {
    const { store, view, onDirty } = this.#options
    const { withheld } = this
    const { keys } = store
    return {
      known: () => Array.from(view.networks(), ({ name }) => keys.network(name).path),
      put(entry) {
        const network = readNetwork(entry)
        onDirty(view.setNetwork(network))
        withheld.networkReturned(network.name)
      },
      remove(path) {
        const name = partsBelow(keys.networks, path)[0] ?? ''
        // Only an empty network can be removed: with endpoints of ours it cannot be true.
        if (view.hasNetwork(name)) withheld.addNetwork(name)
        else onDirty(view.removeNetwork(name))
      },
      seen: (revision) => {
        this.#networksRevision = Math.max(this.#networksRevision, revision)
        for (const wake of this.#waiting) wake()
      },
    }
  }

  #endpointHandler(network: string): Handler<Endpoint> {
    const { store, view, onDirty } = this.#options
    const { withheld } = this
    const range = store.keys.endpoints(network)
    return {
      known: () => Array.from(view.endpoints(network), ({ id }) => store.keys.endpoint(network, id).path),
      put: (entry) => {
        const endpoint = readEndpoint(entry)
        withheld.endpointSettled(endpoint.id)
        onDirty(view.setEndpoint(endpoint))
      },
      remove: (path) => {
        const endpoint = view.endpoint(network, partsBelow(range, path)[0] ?? '')
        if (!endpoint) return
        if (withheld.isProven(endpoint)) onDirty(view.removeEndpoint(network, endpoint.id))
        else withheld.addEndpoint(endpoint)
      },
      seen: (revision) => view.seenUpTo(network, revision),
    }
  }
}

function pathOf(change: Change<unknown>): string {
  return change.kind === 'put' ? change.entry.path : change.path
}

function applyChange<T>(change: Change<T>, handler: Handler<T>): void {
  if (change.kind === 'put') handler.put(change.entry)
  else handler.remove(change.path)
}
