/** This node's place in the cluster: its session and its record, kept up for as long as the agent runs. */

import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { retry } from '../../lib/retry.ts'
import type { Init, Node } from '../../proto/index.ts'
import { holdLease } from '../../store/hold-lease.ts'
import type { Entry, Store } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import { evicted, isPassing, type Registration, register } from './registration.ts'
import { establishSession } from './session.ts'

export interface Membership {
  /** @throws OverlayError `failed_precondition` while the node is evicted. */
  readonly registration: () => Registration
  /** Undefined while the node is evicted. */
  readonly generation: () => number | undefined
  /** The store's record of this node, as the watch tells it; undefined when it was removed. */
  readonly ownNodeSeen: (entry: Entry<Node> | undefined) => void
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
  /** The node was evicted and has registered anew. */
  readonly onRegisteredAnew: () => void
}

/**
 * Opens the session, then registers the node. Waits out what passes (no store,
 * a former boot's session, a former node's endpoints).
 * @throws OverlayError `already_exists` when name or VTEP are another host's.
 */
export async function enterCluster(options: MembershipOptions): Promise<Membership> {
  const { store, node, guard, signal, log, onRegisteredAnew } = options
  const registerPatiently = () =>
    retry(async () => (refuseInDoubt(guard), register(store, node)), {
      signal,
      worthwhile: isPassing,
      backoff: { first: 100, most: 2_000 },
      onRetry: (error) => log.warn({ err: error }, 'not registered yet'),
    })
  const refused = new AbortController()
  const session = await openSession({ ...options, signal: AbortSignal.any([signal, refused.signal]) })
  let registration: Registration | undefined = await registerPatiently().catch(async (error: unknown) => {
    // Or else the session would keep the name's rightful holder away until it runs out.
    refused.abort()
    await session.closed
    throw error
  })
  const registerAnew = async () => {
    registration = await registerPatiently()
    log.info({ generation: registration.generation() }, 'registered anew after eviction')
    onRegisteredAnew()
  }
  return {
    registration() {
      if (registration) return registration
      throw evicted(node.name)
    },
    generation: () => registration?.generation(),
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
function openSession({ store, node, sessionTtl, guard, signal, log }: MembershipOptions) {
  return new Promise<{ closed: Promise<void> }>((resolve, reject) => {
    const closed = holdLease(store, {
      ttlSeconds: sessionTtl,
      signal,
      log,
      establish: async (lease) => {
        refuseInDoubt(guard)
        await establishSession(store, { node: node.name, uid: node.uid, bootId: node.bootId }, lease)
      },
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
