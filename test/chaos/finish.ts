/** The end of a run: everything is detached and removed, and nothing may be left. */
import { AgentService, NetworksService, NodesService } from '../../proto/index.ts'
import { kernelText } from '../e2e/footprint.ts'
import type { Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import { differingKeys, differingLines } from './differences.ts'
import type { Violation } from './judge.ts'
import type { Peers } from './peers.ts'
import { controllerNames } from './setting.ts'
import { clusterState } from './state.ts'
import { remains } from './store-check.ts'
import type { StoreWatch } from './watch-store.ts'

export interface FinishParts {
  readonly lab: Lab
  readonly peers: Peers
  readonly store: StoreWatch
  /** By host: what was there before the first network. */
  readonly before: readonly string[]
  /** So long each step may take. */
  readonly boundSeconds: number
}

/** Devices, addresses, routes, entries and firewall rules of each host. */
export function footprints({ hosts }: Lab): Promise<readonly string[]> {
  return Promise.all(hosts.map(kernelText))
}

/** @returns what could not be removed, and what was left. */
export async function finish(parts: FinishParts): Promise<readonly Violation[]> {
  const { lab, store, before, boundSeconds } = parts
  const violations: Violation[] = []
  const wait = async (what: string, problems: () => Promise<readonly string[]>) => {
    let last: readonly string[] = []
    const clean = async () => {
      last = await problems().catch((error: unknown) => [String(error)])
      return last.length === 0
    }
    await until(clean, { what, every: 100, deadline: boundSeconds * 1_000 }).catch(() =>
      violations.push({ what: `waited for ${what}`, operations: last }),
    )
  }
  await wait('everything to be detached and removed', () => removeAll(parts))
  await wait('the store to hold nothing but nodes', async () => {
    await store.caughtUp(5_000)
    return remains(store.mirror.keys)
  })
  await wait('a read of the store to be what the watch told', async () => {
    await store.caughtUp(5_000)
    return differingKeys(store.mirror.keys, await store.readAll())
  })
  await wait('the hosts to be bare', async () => {
    const now = await footprints(lab)
    return lab.hosts.flatMap(({ name }, at) => differingLines(name, before[at] ?? '', now[at] ?? ''))
  })
  return violations
}

/** By the ways that anybody has; throws what they throw. */
async function removeAll({ lab, peers, store }: FinishParts): Promise<readonly string[]> {
  const controller = peers.client(controllerNames[0])
  const nodes = controller.service(NodesService)
  for (const { name } of lab.hosts) await nodes.undrain({ name })
  await store.caughtUp(5_000)
  const { endpoints, networks } = clusterState(store.mirror.keys)
  for (const { id, node } of endpoints.values())
    await peers.client(node).service(AgentService).detach({ endpointId: id })
  for (const name of networks.keys()) await controller.service(NetworksService).remove({ name })
  return []
}
