/** A run of chaos: rounds of work and faults, each with a look at what is left of it, and an end in which all goes. */
import { createCuts } from '../lab/cuts.ts'
import { openDoors } from '../lab/door.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import { mostPingsPerSecond } from '../lab/ping.ts'
import { createClient } from './client.ts'
import { createDaemonCheck } from './daemon-check.ts'
import { createDaemons } from './daemons.ts'
import { keepEvidence } from './evidence.ts'
import { finish, footprints } from './finish.ts'
import type { Violation } from './judge.ts'
import { createNemesis } from './nemesis.ts'
import { createRecorder } from './operations.ts'
import { createPeers } from './peers.ts'
import { createRandom, type Random } from './random.ts'
import { type Report, reportText } from './report.ts'
import { type RoundParts, type RoundResult, runRound, standingProblems } from './round.ts'
import { clientSettings, controllerNames, firstNetworks } from './setting.ts'
import { clusterState } from './state.ts'
import { type SteadyPair, startSteadyPair } from './steady-pair.ts'
import { watchStore } from './watch-store.ts'

export interface ChaosOptions {
  readonly seed: number
  /** Of work and faults, checks included. */
  readonly seconds: number
  /** So long after each heal all must be clean; default: what the project holds itself to. */
  readonly boundSeconds?: number
  /** Told what goes on, a line each. */
  readonly say: (line: string) => void
  /** Ends the run early, without its last checks. */
  readonly signal: AbortSignal
}

/** Milliseconds of faults in a round. */
const shortestRound = 8_000
const longestRound = 16_000
/** Less than that is left of the run: it ends. */
const shortestOfAll = 3_000

/** Runs in a lab of its own, of which nothing is left. */
export async function runChaos(options: ChaosOptions): Promise<Report> {
  await using lab = await createLab({ hosts: 3, controllers: 2, etcdMembers: 3, others: ['clients'] })
  const { seed } = options
  try {
    return await runIn(lab, options)
  } catch (error) {
    const kept = keepEvidence({ lab, seed, operations: [], story: [], store: [], report: String(error) })
    throw new Error(`the run broke: ${String(error)}; logs: ${kept}`, { cause: error })
  }
}

/** What a run is made of, ready for its first round. */
interface Run extends RoundParts, AsyncDisposable {
  readonly steady: SteadyPair
  /** How long the rounds are. */
  readonly lengths: Random
  /** By host: what was there before the first network. */
  readonly bare: readonly string[]
}

async function runIn(lab: Lab, options: ChaosOptions): Promise<Report> {
  const { seed, seconds, say, signal } = options
  await using run = await prepare(lab, options)
  const { store, now, lengths, recorder, nemesis, daemonCheck, steady, bare, peers, boundSeconds } = run
  const start = now()
  const left = () => seconds * 1000 - (now() - start)
  say(`seed ${seed}: ready after ${secondsText(start)}; logs in ${lab.directory}`)
  const results: RoundResult[] = []
  const violations: Violation[] = []
  let state = clusterState(store.mirror.keys)
  /** Adds what a part of the run finds, and what is wrong beside it; that the part breaks is a violation, too. */
  const step = async (what: string, check: () => Promise<readonly Violation[]>) => {
    const told = await check().catch((error: unknown) => [{ what: `${what} broke: ${String(error)}`, operations: [] }])
    if (!signal.aborted) violations.push(...told, ...(await standingProblems(run)))
  }
  const round = async () => {
    const length = shortestRound + lengths.below(longestRound - shortestRound)
    const result = await runRound(run, state, Math.min(length, left()))
    if (!result) return []
    state = result.state
    results.push(result)
    say(`${secondsText(now())}: ${resultText(result)}`)
    return result.violations
  }
  while (violations.length === 0 && !signal.aborted && left() > shortestOfAll) await step('the round', round)
  const length = (now() - start) / 1000
  const pings = await steady.pinging.stop().catch((error: unknown) => {
    violations.push({ what: `the pings of the steady pair broke: ${String(error)}`, operations: nemesis.story })
    return { sent: 0, received: 0, lost: [] }
  })
  if (pings.lost.length > 0) violations.push(lostPings(pings, start, nemesis.story))
  // Who looks into what was violated wants to see it as it is.
  if (!signal.aborted && violations.length === 0)
    await step('the end', () => finish({ lab, peers, store, before: bare, boundSeconds }))
  const report: Report = {
    seed,
    boundSeconds,
    seconds: length,
    operations: recorder.operations,
    faults: nemesis.counts,
    clean: results.map(({ clean }) => clean),
    pings,
    descriptors: daemonCheck.descriptors,
    addresses: results.reduce((sum, { addresses }) => sum + addresses, 0),
    revision: store.mirror.revision,
    violations,
    kept: undefined,
  }
  if (violations.length === 0) return report
  const history = { operations: recorder.operations, story: nemesis.story, store: store.mirror.historyOf('') }
  return { ...report, kept: keepEvidence({ lab, seed, ...history, report: reportText(report) }) }
}

async function prepare(lab: Lab, { seed, boundSeconds = 10, signal }: ChaosOptions): Promise<Run> {
  const began = performance.now()
  const now = () => performance.now() - began
  const random = (stream: string) => createRandom(seed, stream)
  const daemons = createDaemons(lab)
  const doors = await doorsOf(lab)
  const store = watchStore(lab.etcdMembers.map(({ name }) => doors.get(name) ?? ''))
  const peers = createPeers(lab, doors)
  const close = async () => {
    store.close()
    peers.close()
  }
  try {
    const recorder = createRecorder(now)
    const settings = clientSettings(lab.id)
    const slots = settings.flatMap((each) => each.slots)
    await daemons.start()
    const bare = await footprints(lab)
    await peers.appear(slots)
    for (const action of firstNetworks) await peers.perform(action)
    const steady = await startSteadyPair(lab)
    const cuts = createCuts(lab)
    const daemonCheck = createDaemonCheck(daemons)
    await store.caughtUp(10_000)
    return {
      lab,
      daemons,
      daemonCheck,
      store,
      peers,
      clients: settings.map((setting) => createClient({ setting, random: random(setting.name), peers, recorder })),
      nemesis: createNemesis({
        lab,
        daemons,
        cuts,
        now,
        random: random('nemesis'),
        steadyVni: steady.vni,
        known: () => store.mirror.revision,
      }),
      recorder,
      lengths: random('rounds'),
      traffic: random('traffic'),
      now,
      boundSeconds,
      signal,
      steady,
      bare,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** So that one process may talk to everybody: all through a namespace that no fault concerns. */
function doorsOf(lab: Lab): Promise<ReadonlyMap<string, string>> {
  const into = lab.members.get('clients')?.netns
  if (!into) throw new Error('the lab has no namespace for clients')
  const split = (address: string) => ({ host: address.split(':')[0] ?? '', port: Number(address.split(':')[1]) })
  return openDoors(into, lab.directory, [
    ...lab.etcdMembers.map(({ name, url }) => ({ name, ...split(new URL(url).host) })),
    ...lab.controllers.map(({ address }, at) => ({ name: controllerNames[at] ?? '', ...split(address) })),
  ])
}

function resultText({ operations, state, clean, last, violations }: RoundResult): string {
  const there = `${state.endpoints.size} endpoints in ${state.networks.size} networks`
  const was = last === '' ? '' : ` (last: ${last.slice(0, 160)})`
  const bad = violations.length === 0 ? '' : `, ${violations.length} VIOLATIONS`
  return `${operations} operations, ${there}, clean after ${secondsText(clean)}${was}${bad}`
}

function lostPings({ lost, sent }: Report['pings'], start: number, story: readonly string[]): Violation {
  const interval = `${Math.round(2_000 / mostPingsPerSecond)} ms`
  const when = `two at once, ${interval} at least between the requests of each, from before ${secondsText(start)} on; their numbers: ${lost.join(' ')}`
  return { what: `${lost.length} of ${sent} pings of the steady pair were lost`, operations: [when, ...story] }
}

const secondsText = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`
