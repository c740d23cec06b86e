/** Networks, and sandboxes attached to them: what the tests ping, watch and detach. */
import { type Endpoint, type JsonObject, Network } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import type { Netns } from '../lab/netns.ts'
import type { Overlayctl } from '../lab/overlayctl.ts'
import { ping, pingMatrix } from '../lab/ping.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'

export interface Workload {
  readonly name: string
  readonly host: Host
  readonly sandbox: Sandbox
  readonly endpoint: Endpoint
  /** The first address of the endpoint. */
  readonly address: string
}

/** Creates a network by overlayctl. @throws Error with what overlayctl says. */
export async function createNetwork(on: Overlayctl, name: string, ...flags: readonly string[]): Promise<Network> {
  return Network.fromJson(await on.overlayctlJson<JsonObject>('create', name, ...flags))
}

/** Makes a sandbox and attaches it on the host under its name; further flags go to `attach`. */
export async function attachWorkload(
  lab: Lab,
  host: Host,
  network: string,
  name: string,
  ...flags: readonly string[]
): Promise<Workload> {
  const sandbox = await lab.sandbox(name)
  const endpoint = await host.attach(network, sandbox, '--name', name, ...flags)
  return { name, host, sandbox, endpoint, address: endpoint.addresses[0] ?? '' }
}

/** @throws Error with what overlayctl says. */
export async function detachWorkload({ host, endpoint }: Workload): Promise<void> {
  await host.overlayctlJson('detach', endpoint.id)
}

/** The IPv6 address of an endpoint. @throws Error when it has none. */
export function ipv6Of({ name, endpoint }: Workload): string {
  const found = endpoint.addresses.find((address) => address.includes(':'))
  if (!found) throw new Error(`${name} has no IPv6 address: ${endpoint.addresses.join(', ')}`)
  return found
}

/** Waits until everyone has an answer from every address of everyone. */
export async function untilAllAnswer(workloads: readonly Workload[]): Promise<void> {
  const members = workloads.flatMap(({ sandbox, endpoint }) =>
    endpoint.addresses.map((address) => ({ sandbox, address })),
  )
  let answered: readonly (readonly boolean[])[] = []
  await until(
    async () => {
      answered = await pingMatrix(members)
      return answered.flat().every(Boolean)
    },
    {
      what: `everyone of ${workloads.map(({ name }) => name).join(', ')} to answer everyone`,
      deadline: 5_000,
      detail: () => answered.map((row, at) => `${members[at]?.address}: ${row.join(' ')}`).join('\n'),
    },
  )
}

/** Those of the addresses that answer; an answer that takes longer than 0.3 s is none. */
export async function answering(from: Netns, addresses: readonly string[]): Promise<readonly string[]> {
  const answers = await Promise.all(addresses.map((address) => ping(from, address, 0.3)))
  return addresses.filter((_, at) => answers[at])
}
