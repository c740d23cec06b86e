/** Workloads on hosts of this tier: namespaces that a host's agent attaches. */
import { Endpoint, type JsonObject } from '../../../proto/index.ts'
import { type Netns, netnsOf } from '../../lab/netns.ts'
import { ping } from '../../lab/ping.ts'
import { until } from '../../lab/until.ts'
import { overlayctlJson } from '../cluster.ts'
import type { NspawnHost } from './host.ts'

export interface Workload {
  readonly host: NspawnHost
  /** As this machine sees it; ends with the host's boot. */
  readonly netns: Netns
  readonly endpoint: Endpoint
  readonly address: string
}

/** Makes a namespace on the host and attaches it under its name. @throws Error with what overlayctl says. */
export async function attachWorkload(
  host: NspawnHost,
  network: string,
  name: string,
  ...flags: readonly string[]
): Promise<Workload> {
  await host.exec(`ip netns add ${name} && ip -n ${name} link set lo up`)
  const netns = namespaceOn(host, name)
  const words = ['attach', network, '--netns', `/run/netns/${name}`, '--name', name, ...flags]
  const endpoint = Endpoint.fromJson(await overlayctlJson<JsonObject>(host, ...words))
  return { host, netns, endpoint, address: endpoint.addresses[0] ?? '' }
}

/** @throws Error with what overlayctl says. */
export async function detachWorkload({ host, endpoint, netns }: Workload): Promise<void> {
  await overlayctlJson(host, 'detach', endpoint.id)
  await host.exec(['ip', 'netns', 'del', netns.netns])
}

/** Waits until each of two has an answer from the other. */
export async function untilTheyTalk(one: Workload, other: Workload, deadline = 10_000): Promise<void> {
  const talk = async () => (await ping(one.netns, other.address)) && ping(other.netns, one.address)
  await until(talk, { what: `${one.netns.name} and ${other.netns.name} to talk`, deadline })
}

function namespaceOn(host: NspawnHost, name: string): Netns {
  return netnsOf({
    name: `${name} on ${host.name}`,
    netns: name,
    path: `/proc/${host.leader}/root/run/netns/${name}`,
    directory: host.directory,
    log: name,
  })
}
