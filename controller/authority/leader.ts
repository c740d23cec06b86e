/**
 * What one of the controllers does for all: takes the steps of a change of
 * authority, removes tokens that have expired, and keeps etcd's users as the
 * identities want them.
 */
import { OverlayError } from '../../lib/errors.ts'
import { pause } from '../../lib/retry.ts'
import type { Controller, Identity, Init } from '../../proto/index.ts'
import { elect } from '../../store/election.ts'
import type { Compare } from '../../store/store.ts'
import type { RangeView } from '../range-view.ts'
import type { AuthorityParts } from './parts.ts'
import { advance } from './rotate.ts'
import { removeExpired } from './tokens.ts'

const office = 'authority'

export interface LeaderOptions {
  readonly candidate: Init<Controller>
  readonly identities: RangeView<Identity>
  /** Told when the authorities have changed. @returns how to end that. */
  readonly onAuthorities: (listener: () => void) => () => void
  readonly signal: AbortSignal
  /** Milliseconds between two rounds where nothing has happened; default a minute. */
  readonly interval?: number
  /** Milliseconds in which what happens is one round's; default 200. */
  readonly together?: number
  /** Seconds after which a dead leader's office is free; default 5. */
  readonly ttlSeconds?: number
}

/** Stands for the office until `signal` aborts. */
export async function leadAuthority(parts: AuthorityParts, options: LeaderOptions): Promise<void> {
  const { candidate, signal, ttlSeconds = 5 } = options
  await elect(parts.store, {
    office,
    candidate,
    ttlSeconds,
    signal,
    log: parts.log,
    lead: async (term, fence) => {
      await Promise.all([keepSteps(parts, options, term, fence), keepAccess(parts, options, term)])
    },
  })
}

async function keepSteps(parts: AuthorityParts, options: LeaderOptions, term: AbortSignal, fence: Compare) {
  const { store, now, log } = parts
  const { identities, onAuthorities } = options
  const subscribe = (tell: () => void) => [identities.onDifference(tell), onAuthorities(tell)]
  await rounds(options, subscribe, term, async () => {
    await advance(parts, fence).catch((error: unknown) =>
      log.warn({ err: OverlayError.from(error) }, 'the change of authority cannot go on yet'),
    )
    await removeExpired(store, now()).catch((error: unknown) =>
      log.warn({ err: OverlayError.from(error) }, 'expired tokens cannot be removed yet'),
    )
  })
}

/** Who joins gets access by that; here goes what a crash, or somebody else, has left otherwise. */
async function keepAccess({ access, log }: AuthorityParts, options: LeaderOptions, term: AbortSignal) {
  if (!access) return
  let enabled = false
  const subscribe = (tell: () => void) => [
    options.identities.onDifference(({ kind }) => {
      if (kind === 'removed') tell()
    }),
  ]
  await rounds(options, subscribe, term, async () => {
    try {
      if (enabled) await access.repair()
      else await access.enable()
      enabled = true
    } catch (error) {
      log.warn({ err: OverlayError.from(error) }, "etcd's users and roles cannot be put right yet")
    }
  })
}

/** Runs at once, after each time that it is told, and now and then, until the term ends. */
async function rounds(
  { interval = 60_000, together = 200 }: LeaderOptions,
  subscribe: (tell: () => void) => readonly (() => void)[],
  term: AbortSignal,
  round: () => Promise<void>,
): Promise<void> {
  let wake = new AbortController()
  const ends = subscribe(() => wake.abort())
  try {
    while (!term.aborted) {
      // Before the round: what happens during it begins another.
      wake = new AbortController()
      await round()
      await pause(interval, term, wake.signal)
      if (wake.signal.aborted) await pause(together, term)
    }
  } finally {
    for (const end of ends) end()
  }
}
