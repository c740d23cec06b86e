/** Holds a lease with its keys for as long as it takes. */
import { hasCode, OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import type { Lease, Store } from './store.ts'

/** Short enough for a node to be live again within 5 s of the end of what kept it from it. */
const backoff: Backoff = { first: 50, most: 3_000 }

export interface HoldLeaseOptions {
  readonly ttlSeconds: number
  readonly signal: AbortSignal
  readonly log: Logger
  /** Writes the keys that hang on the lease; again after each loss. */
  readonly establish: (lease: Lease) => Promise<void>
  /** Told when the keys are there, and when they are lost or given up. */
  readonly onState?: (held: boolean) => void
  /** Told why it is not established yet. */
  readonly onFailure?: (error: OverlayError) => void
}

/**
 * Grants a lease, has its keys written, and does so again whenever it is lost,
 * until the signal aborts; then it revokes the lease and returns.
 * @throws what `establish` threw, when it was refused the first time
 * (`failed_precondition`, `already_exists`): later on, and after any other
 * error, it is repeated.
 */
export async function holdLease(store: Store, options: HoldLeaseOptions): Promise<void> {
  const { ttlSeconds, signal, log, establish, onState, onFailure } = options
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
        await aborted(AbortSignal.any([lease.lost, signal]))
        onState?.(false)
      }
      if (lease.lost.aborted) log.warn({ err: lease.lost.reason }, 'lease lost')
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
      await pause(delayBefore(failures++, backoff), signal)
      continue
    }
    await giveUp(lease, log)
  }
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
