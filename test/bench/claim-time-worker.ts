/** Claims from networks in turn, one at a time, so that all see the same machine. */
import { type ClaimantInput, createClaimant } from './claimant.ts'
import { workerInput, workerOutput } from './in-host.ts'

export interface ClaimTimeInput extends ClaimantInput {
  readonly rounds: number
  /** Rounds before those, which do not count. */
  readonly warmUp: number
}

/** Milliseconds, one list per network, in their order. */
export type ClaimTimeOutput = readonly (readonly number[])[]

const input = workerInput() as ClaimTimeInput
const claimant = await createClaimant(input)
const times: number[][] = input.networks.map(() => [])
for (let round = 0; round < input.warmUp + input.rounds; round++)
  for (const [at, network] of input.networks.entries()) {
    const { milliseconds } = await claimant.claim(network)
    if (round >= input.warmUp) times[at]?.push(milliseconds)
  }
workerOutput(times satisfies ClaimTimeOutput)
await claimant.close()
