/** Holds a lease with its key for as long as it takes. */
import { hasCode, OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import { firstOf } from '../lib/signals.ts'
import { absence } from './absence.ts'
import type { Key, Lease, Store } from './store.ts'

/** Short enough for a node to be live again within 5 s of the end of what kept it from it. */
const backoff: Backoff = { first: 50, most: 3_000 }

export interface HoldLeaseOptions {
  readonly ttlSeconds: number
  readonly signal: AbortSignal
  readonly log: Logger
  /** Hangs on the lease. */
  readonly key: Key<unknown>
  /** Writes the key; again after each loss. */
  readonly establish: (lease: Lease) => Promise<void>
  /** Told when the key is there, and when it is lost or given up. */
  readonly onState?: (held: boolean) => void
  /** Told why it is not established yet. */
  readonly onFailure?: (error: OverlayError) => void
}

/**
 * Grants a lease, has its key written, and does so again whenever it is lost,
 * or somebody has removed the key, until the signal aborts; then it revokes the
 * lease and returns.
 * @throws what `establish` threw, when it was refused the first time
 * (`failed_precondition`, `already_exists`): later on, and after any other
 * error, it is repeated.
 */
export async function holdLease(store: Store, options: HoldLeaseOptions): Promise<void> {
  const { ttlSeconds, signal, log, key, establish, onState, onFailure } = options
  let held = false
  for (let failures = 0; !signal.aborted; ) {
    let lease: Lease | undefined
    try {
      lease = await store.grantLease(ttlSeconds)
      await establish(lease)
      if (!lease.lost.aborted) {
        failures = 0
        held = true
        onState?.(true)
        await loss(store, lease, options)
        onState?.(false)
      }
      if (lease.lost.aborted) log.warn({ err: lease.lost.reason }, 'lease lost')
      else if (!signal.aborted) log.warn({ key: key.path }, 'the key is gone from the store, writing it again')
    } catch (error) {
      const refused = hasCode(error, 'failed_precondition') || hasCode(error, 'already_exists')
      if (refused && !held) {
        await giveUp(lease, log)
        throw error
      }
      if (!signal.aborted) {
        onFailure?.(OverlayError.from(error))
        log.warn({ err: OverlayError.from(error) }, 'lease not established, trying again')
      }
      await giveUp(lease, log)
      await pause(Math.max(delayBefore(failures++, backoff), OverlayError.from(error).retryAfter ?? 0), signal)
      continue
    }
    await giveUp(lease, log)
  }
}

/** Resolves when the lease is lost, its key is gone, or the signal aborts. */
async function loss(store: Store, lease: Lease, { key, signal, log }: HoldLeaseOptions): Promise<void> {
  const gone = new AbortController()
  const ended = firstOf(lease.lost, signal, gone.signal)
  absence(store, key, ended).then(
    (isGone) => isGone && gone.abort(),
    (error: unknown) => log.error({ err: error, key: key.path }, 'it cannot be seen whether the key is still there'),
  )
  await aborted(ended)
}

/** A lease that cannot be revoked ends by itself. */
export async function giveUp(lease: Lease | undefined, log: Logger): Promise<void> {
  await lease?.revoke().catch((error: unknown) => {
    log.debug({ err: error }, 'lease not revoked, it will expire')
  })
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
