/** Claims of addresses, without the kernel's part: many at once, and from a large network. */
import { createLab, type Lab } from '../lab/lab.ts'
import type { ClaimTimeInput, ClaimTimeOutput } from './claim-time-worker.ts'
import type { ClaimsInput, ClaimsOutput } from './claims-worker.ts'
import { type Benchmark, type Figure, median, quantile } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'
import type { PutsInput, PutsOutput } from './puts-worker.ts'

const processes = 4
const claimsOfEach = 500
const inFlightOfEach = 16
const warmUpOfEach = 5_000
const rounds = 300
const warmUp = 200
const few = 10
const many = 50_000

export const claims: Benchmark = {
  name: 'claims',
  about: `${processes * claimsOfEach} claims from ${processes} processes at once; and one at a time at ${few} and ${many} endpoints`,
  async run() {
    await using lab = await createLab({ hosts: 1 })
    await lab.start()
    return [...(await atOnce(lab)), ...(await oneAtATime(lab))]
  },
}

async function atOnce(lab: Lab): Promise<readonly Figure[]> {
  await lab.overlayctlJson('create', 'claims', '--mtu', '1450', '--subnet', '10.10.0.0/20')
  await lab.overlayctlJson('create', 'before', '--mtu', '1450', '--subnet', '10.11.0.0/16')
  const outputs = await Promise.all(
    Array.from({ length: processes }, (_, n) =>
      runWorker<ClaimsOutput>(lab.ctl, 'claims-worker', {
        etcd: lab.etcd.url,
        node: `claimant-${n}`,
        vtep: `192.168.201.${n + 1}`,
        network: 'claims',
        warmUp: { network: 'before', claims: warmUpOfEach },
        claims: claimsOfEach,
        inFlight: inFlightOfEach,
        processes,
      } satisfies ClaimsInput),
    ),
  )
  const addresses = outputs.flatMap((output) => output.addresses)
  const all = processes * claimsOfEach
  if (addresses.length !== all || new Set(addresses).size !== all)
    throw new Error(`${addresses.length} addresses were given, ${new Set(addresses).size} different ones, not ${all}`)
  const latencies = outputs.flatMap((output) => output.latencies)
  const bare = await barePuts(lab)
  const seconds = (Math.max(...outputs.map(({ to }) => to)) - Math.min(...outputs.map(({ from }) => from))) / 1000
  const commits = outputs.reduce((sum, output) => sum + output.commits, 0)
  const what = `of ${all} claims, ${processes * inFlightOfEach} in flight`
  return [
    { bench: 'claims', what: `median ${what}`, value: median(latencies), unit: 'ms' },
    { bench: 'claims', what: `p99 ${what}`, value: quantile(latencies, 0.99), unit: 'ms', atMost: 25 },
    {
      bench: 'claims',
      what: 'that p99 against one bare put each, the same processes',
      value: quantile(latencies, 0.99) / quantile(bare, 0.99),
      unit: 'x',
      note: `bare puts: median ${median(bare).toFixed(1)}, p99 ${quantile(bare, 0.99).toFixed(1)} ms`,
    },
    { bench: 'claims', what: `claims in a second ${what}`, value: all / seconds, unit: '/s' },
    { bench: 'claims', what: `transactions for a claim ${what}`, value: commits / all, unit: 'x' },
  ]
}

/** What etcd, gRPC and these cores take for so many at once, without any of ours. */
async function barePuts(lab: Lab): Promise<readonly number[]> {
  const outputs = await Promise.all(
    Array.from({ length: processes }, (_, n) =>
      runWorker<PutsOutput>(lab.ctl, 'puts-worker', {
        etcd: lab.etcd.url,
        writer: `writer-${n}`,
        puts: claimsOfEach,
        warmUp: warmUpOfEach,
        inFlight: inFlightOfEach,
      } satisfies PutsInput),
    ),
  )
  return outputs.flatMap((output) => output.latencies)
}

async function oneAtATime(lab: Lab): Promise<readonly Figure[]> {
  for (const [at, count] of [few, many].entries()) {
    const network = `with-${count}`
    await lab.overlayctlJson('create', network, '--mtu', '1450', '--subnet', `10.${20 + at}.0.0/16`)
    await runWorker(lab.ctl, 'populate-worker', { etcd: lab.etcd.url, network, count } satisfies PopulateInput)
  }
  const [atFew = [], atMany = []] = await runWorker<ClaimTimeOutput>(lab.ctl, 'claim-time-worker', {
    etcd: lab.etcd.url,
    node: 'claimant',
    vtep: '192.168.201.9',
    networks: [`with-${few}`, `with-${many}`],
    rounds,
    warmUp,
  } satisfies ClaimTimeInput)
  return [
    { bench: 'claims', what: `claim at ${few} endpoints, median of ${rounds}`, value: median(atFew), unit: 'ms' },
    { bench: 'claims', what: `claim at ${many} endpoints, median of ${rounds}`, value: median(atMany), unit: 'ms' },
    {
      bench: 'claims',
      what: `claim at ${many} endpoints against ${few}`,
      value: median(atMany) / median(atFew),
      unit: 'x',
      atMost: 1.5,
    },
  ]
}
