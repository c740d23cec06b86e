/** One round: clients at work and faults over them, then everything heals, and all is looked at. */
import { setMaxListeners } from 'node:events'
import { pause } from '../../lib/retry.ts'
import type { Lab } from '../lab/lab.ts'
import { addressHistories } from './address-histories.ts'
import { checkpoint } from './checkpoint.ts'
import type { ChaosClient } from './client.ts'
import type { DaemonCheck } from './daemon-check.ts'
import type { Daemons } from './daemons.ts'
import type { Violation } from './judge.ts'
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
  readonly random: Random
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

/** `milliseconds` of work and faults; undefined when it was ended early. */
export async function runRound(
  parts: RoundParts,
  before: ClusterState,
  milliseconds: number,
): Promise<RoundResult | undefined> {
  const { lab, daemons, daemonCheck, store, clients, nemesis, recorder, random, now, signal } = parts
  const first = recorder.operations.length
  const over = new AbortController()
  const ended = AbortSignal.any([signal, over.signal])
  // Every client and every fault listens: many are no leak.
  setMaxListeners(0, ended)
  const working = clients.map((client) => client.work(ended))
  const raging = nemesis.rage(ended)
  await pause(milliseconds, signal)
  over.abort()
  await raging
  await nemesis.heal()
  const healed = now()
  await Promise.all(working)
  if (signal.aborted) return undefined

  const operations = recorder.operations.slice(first)
  const { state, clean, last, violations } = await checkpoint(parts, { before, operations, healed })
  const histories = addressHistories({ before, operations, after: state, settled: now() })
  return {
    state,
    operations: operations.length,
    clean,
    last,
    addresses: histories.length,
    violations: [
      ...violations,
      ...plain(
        'those who are attached do not reach those whom they should, and no others',
        await trafficProblems(lab, state, random),
      ),
      ...plain('a daemon ended by itself', daemons.endedByThemselves()),
      ...plain('daemons keep open what they should not', daemonCheck.leaks()),
      ...plain('daemons complain', daemonCheck.complaints()),
      ...plain('the store was changed as it must not be', store.mirror.violations),
    ],
  }
}

/** None, or one. */
function plain(what: string, details: readonly string[]): readonly Violation[] {
  return details.length > 0 ? [{ what, operations: details }] : []
}
