/** How the demo ends: what to do with it now. */
import type { Workload } from './workloads.ts'
import type { Wrappers } from './wrappers.ts'

export interface Cluster {
  readonly wrappers: Wrappers
  readonly workloads: readonly Workload[]
  readonly network: string
  readonly vni: number
}

export function thingsToTry({ wrappers: { on, overlayctl }, workloads, network, vni }: Cluster): string {
  const first = workloads[0]?.address ?? ''
  const names = workloads.map(({ name }) => name)
  const hosts = new Set(workloads.map(({ host }) => host.name))
  const last = workloads.at(-1)?.name ?? ''
  return `The cluster stays up. As root, try:

  ${overlayctl} status
  ${overlayctl} inspect ${network}
  ${overlayctl} run --network ${network} -- ping -c 3 ${first}
  ${on} ${last} ping -c 3 ${first}
  ${on} h2 bridge fdb show br ovbr${vni}

${on} NAME COMMAND... runs a command on a host (${[...hosts].join(', ')}), in a workload (${names.join(', ')}) or beside etcd (ctl);
HOST=h2 before ${overlayctl} asks the agent of another host than h1.

To end it, so that nothing is left: npm run demo -- down`
}
