/** Keeps the view in step with the store: one follow per range that concerns this host. */

import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { firstOf } from '../../lib/signals.ts'
import type { Network } from '../../proto/index.ts'
import type { Change, Range, Update } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import {
  endpointHandler,
  type Handler,
  type HandlerOptions,
  type NodeHandler,
  networkHandler,
  nodeHandler,
} from './handlers.ts'
import { createWithheld, type Withheld } from './withheld.ts'

export interface SyncOptions extends HandlerOptions {
  readonly guard: Guard
  readonly signal: AbortSignal
  readonly log: Logger
  /** The node's current generation; undefined while it is evicted. */
  readonly generation: () => number | undefined
  /** What the store tells is passed over from then on, until `readAnew`. */
  readonly onHistoryBroken: () => void
  readonly onLost: (error: OverlayError) => void
  /** A range is followed no more: from then on the view is out of step, and nothing mends that. */
  readonly onFailed: (error: unknown) => void
}

interface Follow {
  readonly stop: AbortController
  /** Resolves with the first snapshot. */
  readonly ready: Promise<void>
  isReady: boolean
}

export class Sync {
  readonly withheld: Withheld
  readonly #options: SyncOptions
  readonly #networks = new Map<string, Follow>()
  readonly #nodeHandler: NodeHandler
  readonly #networkHandler: Handler<Network>
  #stop = new AbortController()
  readonly #waiting = new Set<() => void>()
  /** From a break in the store's history until it is read anew: it may be another cluster's, which says nothing of this host. */
  #isStrange = false
  #networksRevision = 0
  #highest = 0

  constructor(options: SyncOptions) {
    this.#options = options
    this.withheld = createWithheld(options)
    this.#nodeHandler = nodeHandler(options)
    this.#networkHandler = networkHandler(options, this.withheld, {
      follow: (network) => void this.follow(network),
      seen: (revision) => {
        this.#networksRevision = Math.max(this.#networksRevision, revision)
        for (const wake of this.#waiting) wake()
      },
    })
  }

  /** The highest revision of the store that was seen. */
  revision(): number {
    return this.#highest
  }

  /** We wrote to it at that revision, and need not be told of it by the watch. */
  wroteAt(revision: number): void {
    this.#highest = Math.max(this.#highest, revision)
  }

  /**
   * Follows nodes, networks, and the endpoints of `networks` and of all eager
   * ones; resolves when all are in the view.
   */
  async start(networks: Iterable<string>): Promise<void> {
    const { store } = this.#options
    this.#stop = new AbortController()
    this.#isStrange = false
    const signal = firstOf(this.#stop.signal, this.#options.signal)
    const nodes = this.#follow(store.keys.nodes, signal, this.#nodeHandler)
    const all = this.#follow(store.keys.networks, signal, this.#networkHandler)
    await Promise.all([nodes, all, ...Array.from(networks, (network) => this.follow(network))])
    // Of which networks are eager the first snapshot has told.
    await Promise.all(Array.from(this.#networks.values(), ({ ready }) => ready))
  }

  /** Reads all that is followed anew, over the view as it is; resolves when the view has it all. */
  readAnew(): Promise<void> {
    const networks = [...this.#networks.keys()]
    for (const { stop } of [{ stop: this.#stop }, ...this.#networks.values()]) stop.abort()
    this.#networks.clear()
    return this.start(networks)
  }

  /** As `readAnew`, of a store whose history is another one: what it says counts, whatever its revisions. */
  async rebase(): Promise<void> {
    this.#highest = 0
    this.#networksRevision = 0
    this.#options.view.rebase()
    this.#nodeHandler.rebase()
    await this.readAnew()
  }

  /** The other nodes whose records were not written after that revision. */
  nodesNotWrittenSince(revision: number): readonly string[] {
    return this.#nodeHandler.notWrittenSince(revision)
  }

  /** Follows a network's endpoints; resolves when they are in the view. */
  follow(network: string): Promise<void> {
    const running = this.#networks.get(network)
    if (running) return running.ready
    const stop = new AbortController()
    const signal = firstOf(stop.signal, this.#options.signal)
    this.#options.view.follow(network)
    const handler = endpointHandler(this.#options, this.withheld, network)
    const first = this.#follow(this.#options.store.keys.endpoints(network), signal, handler)
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

  /** An eager network is followed by every host, as long as it is there. */
  unfollow(network: string): void {
    // What the store took away may be proven gone by now, and so not eager any more.
    this.withheld.review()
    if (this.#options.view.network(network)?.eager) return
    this.#networks.get(network)?.stop.abort()
    this.#networks.delete(network)
    this.#options.onDirty(this.#options.view.unfollow(network))
    this.withheld.review()
  }

  followed(): Iterable<string> {
    return this.#networks.keys()
  }

  /** Whether every change of networks up to `revision` is in the view. */
  hasSeenNetworks(revision: number): boolean {
    return this.#networksRevision >= revision
  }

  /**
   * Resolves once every change of networks up to `revision` is in the view.
   * @throws OverlayError `deadline` when the signal aborts first.
   */
  async networksSeen(revision: number, signal: AbortSignal): Promise<void> {
    while (!this.hasSeenNetworks(revision)) {
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
      run().catch((error: unknown) => {
        this.#options.log.error({ err: error, range: range.prefix }, 'follow ended')
        this.#options.onFailed(error)
      })
    })
  }

  #take<T>(update: Update<T>, handler: Handler<T>): void {
    if (update.kind === 'lost') return this.#options.onLost(update.error)
    if (update.kind === 'snapshot' && update.historyBroken) {
      this.#isStrange = true
      this.#options.onHistoryBroken()
    }
    if (this.#isStrange) return
    if (update.kind === 'snapshot') {
      const present = new Set(update.paths)
      const missing = [...handler.known()].filter((path) => !present.has(path) && !handler.keeps(path))
      for (const entry of update.entries) this.#attempt(entry.path, () => handler.put(entry))
      for (const path of missing) this.#attempt(path, () => handler.remove(path))
    } else for (const change of update.changes) this.#attempt(pathOf(change), () => applyChange(change, handler))
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
}

function pathOf(change: Change<unknown>): string {
  return change.kind === 'put' ? change.entry.path : change.path
}

function applyChange<T>(change: Change<T>, handler: Handler<T>): void {
  if (change.kind === 'put') handler.put(change.entry)
  else handler.remove(change.path)
}
