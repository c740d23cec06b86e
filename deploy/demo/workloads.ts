/** The demo's workloads: empty namespaces, as a container runtime would make them. */
import type { Host } from '../../test/lab/host.ts'
import type { Lab } from '../../test/lab/lab.ts'
import type { Sandbox } from '../../test/lab/sandbox.ts'

export interface Workload {
  readonly name: string
  readonly host: Host
  readonly sandbox: Sandbox
  readonly address: string
}

/** Two on each host: a1 and a2 on h1, b1 and b2 on h2, and so on. */
export async function attachWorkloads(lab: Lab, network: string): Promise<readonly Workload[]> {
  const workloads: Workload[] = []
  for (const [index, host] of lab.hosts.entries())
    for (const number of [1, 2]) {
      const name = `${String.fromCharCode('a'.charCodeAt(0) + index)}${number}`
      const sandbox = await lab.sandbox(name)
      const { addresses } = await host.attach(network, sandbox, '--name', name)
      workloads.push({ name, host, sandbox, address: addresses[0] ?? '' })
    }
  return workloads
}
