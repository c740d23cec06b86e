/** Attaching and detaching over and over. */
import { mapParallel } from '../../lib/parallel.ts'
import { AgentService } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Sandbox } from '../lab/sandbox.ts'

export interface Churned {
  readonly networks: readonly string[]
  /** One each may be attached at a time. */
  readonly sandboxes: readonly Sandbox[]
}

/** Attaches and detaches so many times, as many at a time as there are sandboxes. */
export async function churn(host: Host, { networks, sandboxes }: Churned, times: number): Promise<void> {
  const client = host.agent.connect()
  const agent = client.service(AgentService)
  const rounds = Array.from({ length: times }, (_, round) => round)
  const free = sandboxes.map(({ path }) => path)
  try {
    await mapParallel(rounds, sandboxes.length, async (round) => {
      const netns = free.pop() ?? ''
      const network = networks[round % networks.length] ?? ''
      const { endpoint } = await agent.attach({ network, netns }, { timeout: 60_000 })
      await agent.detach({ endpointId: endpoint?.id ?? '' }, { timeout: 60_000 })
      free.push(netns)
    })
  } finally {
    client.close()
  }
}
