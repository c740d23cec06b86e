/** This node's place in the cluster: its session and its record, kept up for as long as the agent runs. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { retry } from '../../lib/retry.ts'
import type { Init, Node } from '../../proto/index.ts'
import { holdLease } from '../../store/hold-lease.ts'
import type { Entry, Store } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import { evicted, isPassing, type NodeChange, type Registration, register } from './registration.ts'
import { establishSession } from './session.ts'

export interface Membership {
  /** @throws OverlayError `failed_precondition` while the node is evicted. */
  readonly registration: () => Registration
  /** Undefined while the node is evicted. */
  readonly generation: () => number | undefined
  /** The store's record of this node, as the watch tells it; undefined when it was removed. */
  readonly ownNodeSeen: (entry: Entry<Node> | undefined) => void
  /**
   * Writes the node's record with another VTEP address or MTU; while the node is
   * evicted, it is what it will register with.
   * @throws OverlayError as `Registration.change`; `unavailable` while the store is in doubt
   */
  readonly change: (change: NodeChange) => Promise<void>
  /**
   * Registers with the store as it is now: it went back, and may have an older
   * record of this node, or none. Waits until endpoints of a former node of this
   * name are released: what a store without the node's record has of it is an
   * eviction that the controllers have yet to finish.
   * @throws OverlayError `already_exists` when name or VTEP are another host's.
   */
  readonly reenter: (signal: AbortSignal) => Promise<void>
  /** After the signal has aborted: resolves when the session is closed. */
  readonly left: () => Promise<void>
}

export interface MembershipOptions {
  readonly store: Store
  readonly node: Init<Node> & { readonly name: string; readonly uid: string; readonly bootId: string }
  readonly sessionTtl: number
  readonly guard: Guard
  readonly signal: AbortSignal
  readonly log: Logger
  /**
   * The node was evicted: takes down all that it had, which may be others' by now.
   * It is repeated until it succeeds; the node registers anew after that.
   */
  readonly onEvicted: () => Promise<void>
  /** The node was evicted and has registered anew. */
  readonly onRegisteredAnew: (generation: number) => void
  /** What the node waits for, for people. */
  readonly onWaiting: (why: OverlayError) => void
}

/**
 * Opens the session, then registers the node. Waits out what passes (no store,
 * a former boot's session, a former node's endpoints).
 * @throws OverlayError `already_exists` when name or VTEP are another host's.
 */
export async function enterCluster(options: MembershipOptions): Promise<Membership> {
  const { store, guard, signal, log, onEvicted, onRegisteredAnew, onWaiting } = options
  let { node } = options
  const patiently = <T>(action: () => Promise<T>, what: string, worthwhile?: (error: unknown) => boolean) =>
    retry(action, {
      signal,
      ...(worthwhile && { worthwhile }),
      backoff: { first: 100, most: 2_000 },
      onRetry: (error) => {
        log.warn({ err: error }, what)
        onWaiting(OverlayError.from(error))
      },
    })
  const warnOfTwins = (nodes: readonly string[]) =>
    log.warn(
      { nodes, machineId: node.machineId },
      'other nodes have the machine id of this one: empty /etc/machine-id in the image that they are clones of, and make it anew on each (systemd-machine-id-setup)',
    )
  const registerAsIs = async () => {
    const sent = node
    const registered = await register(store, sent, warnOfTwins)
    if (sent === node) return registered
    throw new OverlayError('conflict', `the VTEP address of node ${node.name} changed while it was registered`)
  }
  const registerOnce = async () => (refuseInDoubt(guard), registerAsIs())
  const refused = new AbortController()
  const session = await openSession({ ...options, signal: AbortSignal.any([signal, refused.signal]) })
  let registration: Registration | undefined = await patiently(registerOnce, 'not registered yet', isPassing).catch(
    async (error: unknown) => {
      // Or else the session would keep the name's rightful holder away until it runs out.
      refused.abort()
      await session.closed
      throw error
    },
  )
  const registerAnew = async () => {
    await patiently(onEvicted, 'what this node has lost could not be taken down yet')
    // An agent that runs does not give up: what stands against it, another's VTEP address for example, may pass.
    const registered = await patiently(registerOnce, 'not registered anew yet')
    registration = registered
    log.info({ generation: registered.generation() }, 'registered anew after eviction')
    onRegisteredAnew(registered.generation())
  }
  return {
    registration() {
      if (registration) return registration
      throw evicted(node.name)
    },
    generation: () => registration?.generation(),
    async change(change) {
      const before = node
      // First: what registers meanwhile has to know.
      node = { ...node, ...change }
      try {
        if (registration) refuseInDoubt(guard)
        await registration?.change(change)
      } catch (error) {
        node = before
        throw error
      }
    },
    async reenter(given) {
      registration = await retry(registerAsIs, {
        signal: AbortSignal.any([signal, given]),
        worthwhile: isPassing,
        backoff: { first: 100, most: 2_000 },
      })
    },
    ownNodeSeen(entry) {
      // What a wrong store says of this node, or lacks, is no eviction.
      if (guard.distrust()) return
      if (!registration) return
      if (entry && entry.createRevision <= registration.generation()) return registration.seen(entry)
      log.warn('this node was removed from the cluster')
      registration = undefined
      registerAnew().catch((error: unknown) => log.error({ err: error }, 'cannot register again'))
    },
    left: () => session.closed,
  }
}

/** Resolves when the session is open for the first time; it is kept until the signal aborts. */
function openSession({ store, node, sessionTtl, guard, signal, log, onWaiting }: MembershipOptions) {
  return new Promise<{ closed: Promise<void> }>((resolve, reject) => {
    const closed = holdLease(store, {
      ttlSeconds: sessionTtl,
      signal,
      log,
      key: store.keys.session(node.name),
      establish: async (lease) => {
        refuseInDoubt(guard)
        await establishSession(store, { node: node.name, uid: node.uid, bootId: node.bootId }, lease)
      },
      onFailure: onWaiting,
      onState: (held) => {
        log.info({ held }, 'session')
        if (held) resolve({ closed })
      },
    })
    closed.then(() => reject(new OverlayError('unavailable', 'the agent is being stopped')), reject)
  })
}

function refuseInDoubt(guard: Guard): void {
  const doubt = guard.distrust()
  if (doubt) throw new OverlayError('unavailable', `this store is not written to while it is in doubt: ${doubt}`)
}
