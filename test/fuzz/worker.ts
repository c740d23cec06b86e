/** Runs in the namespace of the controller, from where all of the cluster can be reached. */
import { openCluster } from './cluster.ts'
import type { Phase, WorkerInput } from './phases.ts'
import { fuzzQuestions } from './question-phase.ts'
import { fuzzRecords } from './record-phase.ts'
import { problem } from './report.ts'
import { fuzzRpcs } from './rpc-phase.ts'
import { fuzzSockets } from './socket-phase.ts'

const input = JSON.parse(process.argv[2] ?? '{}') as WorkerInput
const { seed, requests } = input
const cluster = await openCluster(input.facts)
const run: Readonly<Record<Phase, () => Promise<void>>> = {
  requests: () => fuzzRpcs(cluster, input),
  sockets: () => fuzzSockets(cluster, { seed, connections: requests }),
  records: () => fuzzRecords(cluster, { seed, records: requests }),
  questions: () => fuzzQuestions(cluster, { seed, questions: requests }),
}
for (const phase of input.phases)
  await run[phase]().catch((error: unknown) =>
    problem(`${phase}: ${error instanceof Error ? error.stack : String(error)}`),
  )
await cluster[Symbol.asyncDispose]()
// Whatever a phase has left open: there is nothing more to say.
process.exit(0)
