/** One round: clients at work and faults over them, then everything heals, and all is looked at. */
import { setMaxListeners } from 'node:events'
import { pause } from '../../lib/retry.ts'
import type { Lab } from '../lab/lab.ts'
import { addressHistories } from './address-histories.ts'
import { checkpoint } from './checkpoint.ts'
import type { ChaosClient } from './client.ts'
import type { DaemonCheck } from './daemon-check.ts'
import type { Daemons } from './daemons.ts'
import { drainTurns, type Violation } from './judge.ts'
import type { Nemesis } from './nemesis.ts'
import type { Recorder } from './operations.ts'
import type { Peers } from './peers.ts'
import type { Random } from './random.ts'
import type { ClusterState } from './state.ts'
import { trafficProblems } from './traffic-check.ts'
import type { StoreWatch } from './watch-store.ts'

export interface RoundParts {
  readonly lab: Lab
  readonly daemons: Daemons
  readonly daemonCheck: DaemonCheck
  readonly store: StoreWatch
  readonly peers: Peers
  readonly clients: readonly ChaosClient[]
  readonly nemesis: Nemesis
  readonly recorder: Recorder
  /** Which pairs are tried; a stream of its own, as it depends on what is there how much is drawn. */
  readonly traffic: Random
  readonly now: () => number
  readonly boundSeconds: number
  /** Ends it early, without its checks. */
  readonly signal: AbortSignal
}

export interface RoundResult {
  /** What is there after it. */
  readonly state: ClusterState
  readonly operations: number
  /** Milliseconds from the heal until nothing was found any more. */
  readonly clean: number
  /** What was found last, before that. */
  readonly last: string
  /** Addresses whose histories were looked at. */
  readonly addresses: number
  readonly violations: readonly Violation[]
}

/**
 * `milliseconds` of work and faults; undefined when it was ended early.
 * @throws Error when a fault cannot be brought about or ended, or a check cannot be made.
 */
export async function runRound(
  parts: RoundParts,
  before: ClusterState,
  milliseconds: number,
): Promise<RoundResult | undefined> {
  const { lab, clients, nemesis, recorder, traffic, now, signal } = parts
  const first = recorder.operations.length
  const over = new AbortController()
  const ended = AbortSignal.any([signal, over.signal])
  // Every client and every fault listens: many are no leak.
  setMaxListeners(0, ended)
  let healed = 0
  const working = clients.map((client) => client.work(ended))
  try {
    const raging = nemesis.rage(ended)
    await Promise.race([pause(milliseconds, signal), raging])
    over.abort()
    await raging
    await nemesis.heal()
  } finally {
    over.abort()
    healed = now()
    await Promise.all(working)
  }
  if (signal.aborted) return undefined

  const played = {
    before,
    operations: recorder.operations.slice(first),
    formerTurns: drainTurns(recorder.operations.slice(0, first)),
  }
  const { state, clean, last, violations } = await checkpoint(parts, played, { healed, answered: now() })
  const histories = addressHistories({ ...played, after: state, settled: now() })
  const unreached = await trafficProblems(lab, state, traffic)
  return {
    state,
    operations: played.operations.length,
    clean,
    last,
    addresses: histories.length,
    violations: [
      ...violations,
      ...plain('those who are attached do not reach those whom they should, and no others', unreached),
    ],
  }
}

/** What must not be after any round, and not at the end: of those who run, and of the store's history. */
export async function standingProblems({
  daemons,
  daemonCheck,
  store,
}: Pick<RoundParts, 'daemons' | 'daemonCheck' | 'store'>): Promise<readonly Violation[]> {
  return [
    ...plain('a daemon ended by itself', daemons.endedByThemselves()),
    ...plain('daemons keep open what they should not', await daemonCheck.leaks()),
    ...plain('daemons complain', daemonCheck.complaints()),
    ...plain('the store was changed as it must not be', store.mirror.violations),
  ]
}

/** None, or one. */
function plain(what: string, details: readonly string[]): readonly Violation[] {
  return details.length > 0 ? [{ what, operations: details }] : []
}
