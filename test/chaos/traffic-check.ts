/** Who of those that are attached reaches whom. */
import type { Endpoint } from '../../proto/index.ts'
import type { Lab } from '../lab/lab.ts'
import { type Netns, netnsAt } from '../lab/netns.ts'
import { netnsPath } from '../lab/netns-name.ts'
import { ping } from '../lab/ping.ts'
import type { Random } from './random.ts'
import type { ClusterState } from './state.ts'

/** Pairs that are tried at each checkpoint. */
const mostPairs = 16
const mostAcross = 4

interface Pair {
  readonly from: Endpoint
  readonly to: Endpoint
}

/** Pairs of one network that do not reach each other, and pairs of different ones that do. */
export async function trafficProblems(
  lab: Lab,
  { endpoints }: ClusterState,
  random: Random,
): Promise<readonly string[]> {
  const all = [...endpoints.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const pairs = all.flatMap((from) => all.map((to): Pair => ({ from, to }))).filter(({ from, to }) => from !== to)
  const within = sample(
    pairs.filter(({ from, to }) => from.network === to.network),
    mostPairs,
    random,
  )
  // A sandbox that is in both networks is reached by itself.
  const networksIn = ({ sandbox }: Endpoint) =>
    all.filter((each) => each.sandbox?.path === sandbox?.path).map(({ network }) => network)
  const isApart = ({ from, to }: Pair) => networksIn(from).every((network) => !networksIn(to).includes(network))
  const across = sample(pairs.filter(isApart), mostAcross, random)
  const results = await Promise.all([
    ...within.map(async (pair) => ((await reachesInTheEnd(lab, pair)) ? [] : [await explain(lab, pair)])),
    ...across.map(async (pair) => ((await reaches(lab, pair, 0.3)) ? [`${text(pair)}: there is an answer`] : [])),
  ])
  return results.flat()
}

/** Twice, as the first ping may go where it is too late. */
async function reachesInTheEnd(lab: Lab, pair: Pair): Promise<boolean> {
  return (await reaches(lab, pair, 1)) || (await reaches(lab, pair, 2))
}

/** What there is on the way between them. */
async function explain(lab: Lab, pair: Pair): Promise<string> {
  const sides = [pair.from, pair.to]
  const looks = await Promise.all([
    ...sides.map((each) => sandboxOf(lab, each).try('ip -br address; ip route; ip neigh')),
    ...sides.map(({ node }) =>
      lab.host(node).try('ip -br link | grep ov; bridge fdb | grep " dev ov"; ip neigh | grep " dev ov"'),
    ),
  ])
  return [`${text(pair)}: no answer`, ...looks.map(({ stdout }) => stdout)].join('\n')
}

function sample<T>(all: readonly T[], most: number, random: Random): readonly T[] {
  const left = [...all]
  return Array.from({ length: Math.min(most, left.length) }, () => left.splice(random.below(left.length), 1)).flat()
}

function reaches(lab: Lab, { from, to }: Pair, timeout: number): Promise<boolean> {
  return ping(sandboxOf(lab, from), to.addresses[0] ?? '', timeout)
}

function sandboxOf({ id, directory }: Lab, { sandbox }: Endpoint): Netns {
  const inner = sandbox?.path.slice(netnsPath(id, '').length) ?? ''
  return netnsAt(id, directory, inner)
}

function text({ from, to }: Pair): string {
  const one = ({ network, node, addresses }: Endpoint) => `${addresses[0]} (${network} on ${node})`
  return `from ${one(from)} to ${one(to)}`
}
