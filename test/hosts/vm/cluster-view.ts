/** What a controller says of the cluster, and what the endpoints say of each other. */
import { Endpoint, type JsonObject, Node } from '../../../proto/index.ts'
import { pingMatrix } from '../../lab/ping.ts'
import { until } from '../../lab/until.ts'
import { overlayctlJson } from '../cluster.ts'
import type { Machine } from '../machine.ts'
import type { Workload } from './workload.ts'

/** Milliseconds: machines are emulated, several on few cores. */
export const deadline = 600_000

/** Whether the node is live, by the word of a controller. @throws Error with what overlayctl says. */
export async function isLive(asked: Machine, node: string): Promise<boolean> {
  return Node.fromJson(await overlayctlJson<JsonObject>(asked, 'node', 'inspect', node)).status?.live === true
}

export async function untilAway(asked: Machine, node: string): Promise<void> {
  const what = `${node} to be known as away`
  await until(async () => !(await isLive(asked, node)), { what, deadline, every: 1_000 })
}

export async function endpointIds(asked: Machine, network: string): Promise<readonly string[]> {
  const endpoints = await overlayctlJson<readonly JsonObject[]>(asked, 'endpoint', 'ls', '--network', network)
  return endpoints.map((endpoint) => Endpoint.fromJson(endpoint).id)
}

export async function untilAllAnswer(workloads: readonly Workload[]): Promise<void> {
  let answered: readonly (readonly boolean[])[] = []
  await until(
    async () => {
      answered = await pingMatrix(workloads)
      return answered.flat().every(Boolean)
    },
    {
      what: `${workloads.map(({ name }) => name).join(', ')} to answer each other`,
      deadline,
      every: 200,
      detail: () => answered.map((row, at) => `${workloads[at]?.name}: ${row.join(' ')}`).join('\n'),
    },
  )
}
