/** One of several processes that claim at once, from one network. */
import { pause } from '../../lib/retry.ts'
import { createKeys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { type ClaimantInput, createClaimant } from './claimant.ts'
import { workerInput, workerOutput } from './in-host.ts'

export interface ClaimsInput extends Omit<ClaimantInput, 'networks'> {
  readonly network: string
  readonly claims: number
  /** Claims before those, from a network of their own: an agent lives for weeks, its first thousands are not what it costs. */
  readonly warmUp: { readonly network: string; readonly claims: number }
  readonly inFlight: number
  /** All begin when so many are ready. */
  readonly processes: number
}

export interface ClaimsOutput {
  /** Milliseconds, one per claim. */
  readonly latencies: readonly number[]
  readonly addresses: readonly string[]
  readonly commits: number
  /** When it began and ended, in milliseconds since the epoch. */
  readonly from: number
  readonly to: number
}

const input = workerInput() as ClaimsInput
const claimant = await createClaimant({ ...input, networks: [input.network, input.warmUp.network] })
/** Beside the cluster's own records. */
const ready = { ...createKeys('/bench/').controllers }

await claimAll(input.warmUp.network, input.warmUp.claims)
await begin()
const before = claimant.commits()
const from = Date.now()
const claimed = await claimAll(input.network, input.claims)
const to = Date.now()
workerOutput({
  latencies: claimed.map(({ milliseconds }) => milliseconds),
  addresses: claimed.flatMap(({ endpoint }) => endpoint.addresses),
  commits: claimant.commits() - before,
  from,
  to,
} satisfies ClaimsOutput)
await claimant.close()

async function claimAll(network: string, count: number) {
  const results: Awaited<ReturnType<typeof claimant.claim>>[] = []
  let begun = 0
  const one = async () => {
    while (begun++ < count) results.push(await claimant.claim(network))
  }
  await Promise.all(Array.from({ length: input.inFlight }, one))
  return results
}

/** Waits for the others. */
async function begin(): Promise<void> {
  const { store } = claimant
  await store.commit({ compares: [], writes: [put({ path: ready.prefix + input.node, type: null }, null)] })
  while ((await store.count(ready)) < input.processes) await pause(10)
}
