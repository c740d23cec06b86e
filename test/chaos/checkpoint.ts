/** After the faults are over: waits until all is as it was told, and says how long that took. */

import { pause } from '../../lib/retry.ts'
import { AgentService, ClustersService } from '../../proto/index.ts'
import type { Lab } from '../lab/lab.ts'
import { judgeAddresses } from './address-histories.ts'
import { dueAt, type Heal, waitedFor } from './convergence.ts'
import { hostProblems } from './hosts-check.ts'
import { judge, type Round, type Violation } from './judge.ts'
import type { Peers } from './peers.ts'
import { controllerNames } from './setting.ts'
import { type ClusterState, clusterState } from './state.ts'
import { storeProblems } from './store-check.ts'
import type { StoreWatch } from './watch-store.ts'

export interface CheckpointParts {
  readonly lab: Lab
  readonly peers: Peers
  readonly store: StoreWatch
  readonly now: () => number
  /** So long after the faults all must be clean. */
  readonly boundSeconds: number
}

export interface Checkpoint {
  readonly state: ClusterState
  /** Milliseconds from the heal until nothing was found any more. */
  readonly clean: number
  /** What was found last, before it was clean. */
  readonly last: string
  readonly violations: readonly Violation[]
}

/** So long it is waited at least, and so much longer than the bound, to see whether it will be clean at all. */
const leastPatience = 40_000
const patienceBeyondBound = 10_000

/** What is known of a round before it is looked at. */
export type Played = Omit<Round, 'after' | 'settled'>

/** The clients are idle. */
export async function checkpoint(parts: CheckpointParts, played: Played, heal: Heal): Promise<Checkpoint> {
  const { now, store } = parts
  const { healed } = heal
  const bound = parts.boundSeconds * 1000
  const due = dueAt(heal, bound)
  const patience = Math.max(leastPatience, bound + patienceBeyondBound)
  const waited = waitedFor(heal, played.operations)
  let overdue: readonly string[] = []
  let last: readonly string[] = []
  for (;;) {
    const began = now()
    const look = await lookAround(parts, played)
    const problems = [...look.problems, ...(look.problems.length === 0 ? await commandProblems(parts.lab) : [])]
    const clean = now() - healed
    if (began < due) overdue = problems
    const round = { ...played, after: look.state, settled: began }
    if (problems.length === 0) {
      const isLate = healed + clean > due
      const late = `clean only ${(clean / 1000).toFixed(1)} s after the faults`
      const violations = [...(isLate ? [plain(late, [...overdue, ...waited])] : []), ...judgeAddresses(round)]
      return { state: look.state, clean, last: last.join('; '), violations }
    }
    if (clean > patience) {
      const lasting = plain(`not clean ${(clean / 1000).toFixed(1)} s after the faults`, [...problems, ...waited])
      const told = judge(round).map((violation) => withHistory(violation, store))
      return {
        state: look.state,
        clean,
        last: problems.join('; '),
        violations: [lasting, ...told, ...judgeAddresses(round)],
      }
    }
    last = problems
    await pause(300)
  }
}

function plain(what: string, details: readonly string[]): Violation {
  return { what, operations: details }
}

/** What the store saw of the endpoint or network, if it is of one. */
function withHistory({ what, operations }: Violation, { mirror }: StoreWatch): Violation {
  const [id] = /[0-9a-f]{32}/.exec(what) ?? []
  return { what, operations: [...operations, ...(id ? mirror.historyOf(id) : [])] }
}

interface Look {
  readonly state: ClusterState
  readonly problems: readonly string[]
}

async function lookAround(parts: CheckpointParts, played: Played): Promise<Look> {
  const { lab, peers, store, now } = parts
  const daemons = (
    await Promise.all([
      ...lab.hosts.map(({ name }) => agentProblems(peers, name)),
      ...controllerNames.map((name) => controllerProblems(peers, lab, name)),
    ])
  ).flat()
  const nothing = { state: played.before, problems: daemons }
  if (daemons.length > 0) return nothing
  const failure = await store.caughtUp(5_000).then(() => undefined, String)
  if (failure !== undefined) return { ...nothing, problems: [failure] }
  const keys = new Map(store.mirror.keys)
  const state = clusterState(keys)
  const round = { ...played, after: state, settled: now() }
  const problems = [
    ...judge(round).map(({ what }) => what),
    ...storeProblems(keys, state),
    ...(await hostProblems(lab, state).catch((error: unknown) => [String(error)])),
  ]
  return { state, problems }
}

async function agentProblems(peers: Peers, host: string): Promise<readonly string[]> {
  try {
    const { state, reason, problems, openIntents } = await peers.ask(host, (client) =>
      client.service(AgentService).getStatus({}, patient),
    )
    return [
      ...(state === 'READY' ? [] : [`the agent of ${host} is ${state}: ${reason}`]),
      ...problems.map((problem) => `the agent of ${host}: ${problem}`),
      ...(openIntents > 0 ? [`the agent of ${host} has ${openIntents} open intents`] : []),
    ]
  } catch (error) {
    return [`the agent of ${host} does not answer: ${String(error)}`]
  }
}

async function controllerProblems(peers: Peers, { hosts }: Lab, name: string): Promise<readonly string[]> {
  try {
    const { nodes, store } = await peers.ask(name, (client) => client.service(ClustersService).getStatus({}, patient))
    const dead = nodes.filter(({ status }) => !status?.live).map((node) => `${name}: ${node.name} is not live`)
    return [
      ...dead,
      ...(nodes.length === hosts.length ? [] : [`${name} knows ${nodes.length} nodes`]),
      ...(store?.healthy ? [] : [`${name}: the store is not well: ${store?.problem}`]),
    ]
  } catch (error) {
    return [`${name} does not answer: ${String(error)}`]
  }
}

const patient = { timeout: 2_000 }

/** What a person would ask. */
const commands = [['ipam', 'check'], ['verify']] as const

async function commandProblems(lab: Lab): Promise<readonly string[]> {
  const problems = await Promise.all(
    commands.map(async (command) => {
      const { exitCode, stdout, stderr } = await lab.overlayctl(...command)
      // A node whose links could not be looked at is said on standard error.
      return exitCode === 0 && stderr === '' ? [] : [`overlayctl ${command.join(' ')}: ${stderr}\n${stdout}`]
    }),
  )
  return problems.flat()
}
