/** Election: of many candidates for an office one leads. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../lib/retry.ts'
import { firstOf } from '../lib/signals.ts'
import type { Controller, Init } from '../proto/index.ts'
import { absence } from './absence.ts'
import { giveUp } from './hold-lease.ts'
import { absent, type Compare, createdAt, type Lease, put, type Store } from './store.ts'

export interface ElectOptions {
  /** What is led, for example `janitor`. */
  readonly office: string
  /** What the leader's key says. */
  readonly candidate: Init<Controller>
  /** After so long a dead leader is replaced. */
  readonly ttlSeconds: number
  readonly signal: AbortSignal
  readonly log: Logger
  /**
   * Runs while this candidate leads. The signal aborts when leadership is lost
   * or given up, no later than the lease's time to live after the last renewal,
   * or, in a process that was stopped, when it goes on. `fence` in a transaction
   * makes it commit only while nobody else has led since: what one may do who
   * leads, and two may not, takes it among its compares.
   */
  readonly lead: (signal: AbortSignal, fence: Compare) => Promise<void>
}

/** A candidate that could not stand tries again soon: the office may be vacant. */
const backoff: Backoff = { first: 50, most: 1_000 }

/**
 * Stands for the office until the signal aborts. Who waits holds no lease and
 * is told of the leader's end by the watch. When `lead` returns or throws, the
 * office is given up and stood for again.
 */
export async function elect(store: Store, options: ElectOptions): Promise<void> {
  const { office, signal, log } = options
  const key = store.keys.leader(office)
  for (let failures = 0; !signal.aborted; ) {
    const led = await absence(store, key, signal)
      .then((vacant) => vacant && campaign(store, options))
      .catch((error: unknown) => {
        log.warn({ err: OverlayError.from(error), office }, 'election failed, trying again')
        return false
      })
    // Also after a term that ended by itself, so that another may be quicker.
    if (led) failures = 0
    await pause(delayBefore(failures++, backoff), signal)
  }
}

/** @returns whether it led. */
async function campaign(store: Store, { office, candidate, ttlSeconds, signal, log, lead }: ElectOptions) {
  const key = store.keys.leader(office)
  // What `lead` may have left running ends with it.
  const over = new AbortController()
  let lease: Lease | undefined
  try {
    lease = await store.grantLease(ttlSeconds)
    const outcome = await store.commit({ compares: [absent(key)], writes: [put(key, candidate, { lease })] })
    if (!outcome.committed || lease.lost.aborted) return false
    await serve(lead, firstOf(lease.lost, signal, over.signal), createdAt(key, outcome.revision), {
      office,
      log,
    })
    return true
  } finally {
    over.abort()
    // Also when it is not known whether the key was written: it goes with the lease.
    await giveUp(lease, log)
  }
}

async function serve(
  lead: ElectOptions['lead'],
  term: AbortSignal,
  fence: Compare,
  { office, log }: { readonly office: string; readonly log: Logger },
): Promise<void> {
  log.info({ office }, 'leading')
  try {
    await lead(term, fence)
  } catch (error) {
    if (!term.aborted) log.error({ err: OverlayError.from(error), office }, 'leader failed')
  }
  log.info({ office }, 'no longer leading')
}
