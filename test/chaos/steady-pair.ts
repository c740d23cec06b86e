/** Two that ping each other from the first fault to the last, and that no fault is to concern. */
import { createNetwork } from '../e2e/workload.ts'
import type { Lab } from '../lab/lab.ts'
import { type Pinging, startPinging } from '../lab/ping.ts'
import { steadyNetwork } from './setting.ts'

export interface SteadyPair {
  readonly vni: number
  readonly pinging: Pinging
}

export async function startSteadyPair(lab: Lab): Promise<SteadyPair> {
  const { vni } = await createNetwork(lab, steadyNetwork, '--subnet', '10.49.0.0/24')
  const [one, other] = await lab.sandboxes(['steady-1', 'steady-2'])
  if (!one || !other) throw new Error('there are two')
  await lab.host('h1').attach(steadyNetwork, one)
  const { addresses } = await lab.host('h2').attach(steadyNetwork, other)
  return { vni, pinging: await startPinging(one, addresses[0] ?? '') }
}
