/** Requests made at random to every RPC: what was refused has changed nothing, what was accepted is consistent. */
import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { mapParallel } from '../../lib/parallel.ts'
import { type Caller, createCaller, isFault, isHang, isRefusal, isUnknown, type Result } from './calls.ts'
import { type Cluster, loggedLines } from './cluster.ts'
import { isForbidden } from './forbidden.ts'
import { malformed } from './malformed.ts'
import { messages } from './messages.ts'
import { figure, problem } from './report.ts'
import { slicesOf } from './slices.ts'
import { allRpcs, type Rpc } from './surface.ts'

export interface RpcPhaseOptions {
  readonly seed: number
  /** For each RPC. */
  readonly requests: number
  /** Only those whose names have this in them. */
  readonly only: string
}

/** Slices after which what was made is taken away, so that it does not pile up. */
const turns = 30
const atOnce = 25
/** Problems of one RPC that are told. */
const mostTold = 5
/** Lines that a daemon may log beside what it did. */
const freeLines = 60

export async function fuzzRpcs(cluster: Cluster, { seed, requests, only }: RpcPhaseOptions): Promise<void> {
  const { facts } = cluster
  const callers = {
    agent: createCaller(`unix:${facts.agents[0]?.socket}`),
    controller: createCaller(facts.controller),
  }
  await cluster.reset()
  for (const rpc of allRpcs().filter(({ name }) => name.includes(only)))
    await fuzzRpc(cluster, callers[rpc.side], rpc, seed, requests)
  callers.agent.close()
  callers.controller.close()
}

type Request = readonly Uint8Array[]

async function fuzzRpc(cluster: Cluster, caller: Caller, rpc: Rpc, seed: number, requests: number): Promise<void> {
  const { daemons } = cluster.facts
  const linesBefore = loggedLines(daemons)
  const kinds = kindsOf(cluster, rpc)
  const started = performance.now()
  const tally = { accepted: 0, refused: 0, unknown: 0 }
  // One that was accepted may have changed what it likes: then there is nothing to compare.
  let compared = 0
  let told = 0
  const tell = (text: string) => {
    if (told++ < mostTold) problem(`${rpc.name}: ${text}`)
  }
  const atStart = await cluster.content()
  const slices = slicesOf(requests, kinds.length)
  for (const [turn, { begun, count, kind }] of slices.entries()) {
    const made = kinds[kind] ?? fc.constant([])
    const batch = fc.sample(made, { seed: seed + begun, numRuns: count }).filter(isAllowed(cluster, rpc))
    const before = await cluster.content()
    const results = await mapParallel(batch, atOnce, (request) => caller.call(rpc, request))
    for (const [at, result] of results.entries()) {
      addTo(tally, result)
      if (isFault(result) || isHang(rpc, result))
        tell(`${status[result.code]} ${result.details}, on ${hex(batch[at] ?? [])}`)
    }
    if (results.every(isRefusal)) {
      compared++
      if ((await cluster.content()) !== before)
        tell(`changed something though all was refused (from request ${begun} on)`)
    }
    if ((turn + 1) % turns === 0) await backToStart(cluster, atStart, tell)
  }
  await backToStart(cluster, atStart, tell)
  const handled = tally.accepted + tally.unknown
  for (const [name, lines] of loggedLines(daemons)) {
    const logged = lines - (linesBefore.get(name) ?? 0)
    if (logged > freeLines + 6 * handled) tell(`${name} has logged ${logged} lines, with ${handled} requests accepted`)
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const sum = tally.refused + handled
  figure(
    `${rpc.name.padEnd(24)} ${String(sum).padStart(6)} requests: ${tally.accepted} accepted, ${tally.refused} refused, ${tally.unknown} given up; ${compared} of ${slices.length} slices compared; ${seconds} s`,
  )
}

/** What was accepted has to be consistent; then it goes. */
async function backToStart(cluster: Cluster, atStart: string, tell: (text: string) => void): Promise<void> {
  const faults = await cluster.faults()
  if (faults) tell(`left the cluster inconsistent: ${faults}`)
  if ((await cluster.content()) !== atStart) await cluster.reset()
}

/** Sensible ones, well-formed ones, and such as are no messages: apart, because of the last two mostly all is refused. */
function kindsOf({ surroundings: there }: Cluster, { input, requestStream }: Rpc): readonly fc.Arbitrary<Request>[] {
  const wild = messages(input, { tame: false, there })
  return [malformed(wild), wild, messages(input, { tame: true, there })].map((one) =>
    requestStream ? fc.array(one, { minLength: 1, maxLength: 5 }) : fc.tuple(one),
  )
}

function isAllowed({ facts, nodes }: Cluster, rpc: Rpc): (request: Request) => boolean {
  const kept = { nodes, canary: [facts.canary.network, ...facts.canary.ids] }
  return (request) => !request.some((bytes) => isForbidden(rpc, bytes, kept))
}

function addTo(tally: { accepted: number; refused: number; unknown: number }, result: Result): void {
  if (isUnknown(result)) tally.unknown++
  else if (isRefusal(result)) tally.refused++
  else tally.accepted++
}

/** Enough of it to find it again. */
function hex(request: Request): string {
  return request.map((bytes) => Buffer.from(bytes).subarray(0, 300).toString('hex')).join(' ')
}
