/** Fuzzes a cluster from end to end. */

import { program } from '../lab/program-path.ts'
import { until } from '../lab/until.ts'
import { type Daemon, type LabFacts } from './cluster.ts'
import { createFuzzLab, type FuzzLab } from './fuzz-lab.ts'
import type { Phase, WorkerInput } from './phases.ts'
import { parseSaid, type Said } from './report.ts'

export interface FuzzOptions {
  readonly seed: number
  /** For each RPC. */
  readonly requests: number
  readonly phases: readonly Phase[]
  /** Only RPCs whose names have this in them; default: all. */
  readonly only?: string
  /** Told of each figure and problem as it comes. */
  readonly onSaid: (said: Said) => void
}

/** Milliseconds: longer than any run takes. */
const longest = 6 * 3_600_000

/** @returns the problems; none is what is wanted. @throws Error when the cluster does not work any more afterwards. */
export async function fuzz({ seed, requests, phases, only = '', onSaid }: FuzzOptions): Promise<readonly string[]> {
  await using fuzzLab = await createFuzzLab()
  const problems: string[] = []
  const tell = (said: Said) => {
    if (said.kind === 'problem') problems.push(said.text)
    onSaid(said)
  }
  await runWorker(fuzzLab, { seed, requests, only, phases, facts: factsOf(fuzzLab) }, tell)
  const sent = await fuzzLab.finish()
  onSaid({ kind: 'figure', text: `canary: ${sent} packets sent, 0 lost` })
  return problems
}

async function runWorker({ lab }: FuzzLab, input: WorkerInput, tell: (said: Said) => void): Promise<void> {
  const worker = await lab.ctl.spawn('fuzz', [process.execPath, program('test/fuzz/worker.js'), JSON.stringify(input)])
  let told = 0
  const tellNew = () => {
    const said = parseSaid(worker.logTail(Infinity).replace(/^\(empty\)$/, ''))
    for (const each of said.slice(told)) tell(each)
    told = said.length
  }
  await until(
    () => {
      const { exit } = worker
      tellNew()
      return exit
    },
    { what: 'the worker to end', deadline: longest, every: 200 },
  )
  if (worker.exit?.code !== 0) tell({ kind: 'problem', text: `the worker ended with ${JSON.stringify(worker.exit)}` })
}

function factsOf({ lab, targets, canary, daemons }: FuzzLab): LabFacts {
  return {
    etcd: lab.etcd.url,
    controller: lab.controllers[0]?.address ?? '',
    agents: lab.hosts.map(({ agent: { node, socket } }) => ({ node, socket })),
    daemons: [...daemons].map(([name, { pid, log }]): Daemon => ({ name, pid, log })),
    targets: targets.map(({ path }) => path),
    canary: {
      network: canary.network.name,
      ids: [canary.network.uid, ...canary.endpoints.map(({ id }) => id)],
    },
  }
}
