/** Changes a network while endpoints are attached. */
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import { readUpdate } from '../../lib/requests/update-network.ts'
import type { Network, Node, UpdateNetworkRequest, UpdateNetworkResponse } from '../../proto/index.ts'
import {
  type Compare,
  type Listing,
  put,
  rangeEmpty,
  rangeUnchanged,
  type Store,
  unchanged,
} from '../../store/store.ts'
import { Refusals } from '../refusals.ts'
import { refuseOverlap } from './allocate.ts'
import { inOrder } from './in-order.ts'
import { carriedBy } from './mtu.ts'
import { nodesWith, placementsOf } from './placements.ts'
import { planUpdate, type UpdatePlan } from './plan-update.ts'
import { findNetwork } from './reference.ts'
import { routesOfHosts } from './routes-of-hosts.ts'
import { beyond, takenByCluster, takenByHosts } from './taken.ts'

export type UpdateNetwork = (request: UpdateNetworkRequest, signal: AbortSignal) => Promise<UpdateNetworkResponse>

/** How many nodes a refusal names. */
const shown = 5
/** Nodes that are compared one by one: etcd takes 128 compares. Of more, all endpoints of the network are. */
const mostCompared = 100

/**
 * What was decided on the network's record commits only if it is unchanged; what
 * was decided on a list (growth on that of all networks, the MTU on that of the
 * nodes and on who has the network) only if that still holds.
 */
export function networkUpdater(store: Store): UpdateNetwork {
  const inTurn = inOrder()
  return async (request, signal) => {
    const faults = new Faults()
    const name = faults.try('name', () => parseName(request.name))
    readUpdate(faults, request)
    // Else there may be more to say, of the network.
    if (name === undefined) faults.throwIfAny()
    return inTurn(() => tryUpdate(store, request), signal)
  }
}

async function tryUpdate(store: Store, request: UpdateNetworkRequest): Promise<UpdateNetworkResponse> {
  const { keys } = store
  const before = await findNetwork(store, request.name)
  const faults = new Faults()
  const plan = planUpdate(faults, before.value, readUpdate(faults, request))
  faults.throwIfAny()
  const { network, changed, grown } = plan
  if (!changed) return { network, revision: before.modRevision, changed }
  const networks = grown.length > 0 ? await store.list(keys.networks) : undefined
  const holds = await refuseImpossible(store, plan, networks)
  if (request.dryRun) return { network, revision: 0, changed }
  const outcome = await store.commit({
    compares: [unchanged(before), ...holds],
    writes: [put(keys.network(network.name), network, { over: before })],
  })
  if (!outcome.committed)
    throw new OverlayError('conflict', `network ${network.name} is being changed by others all the time: try again`)
  return { network, revision: outcome.revision, changed }
}

/**
 * @returns what must still hold when it commits.
 * @throws OverlayError `failed_precondition` with everything in the cluster that stands against it.
 */
async function refuseImpossible(
  store: Store,
  plan: UpdatePlan,
  networks: Listing<Network> | undefined,
): Promise<readonly Compare[]> {
  const { network, grown, mtu } = plan
  if (!networks && mtu === undefined) return []
  const nodes = await store.list(store.keys.nodes)
  const refusals = new Refusals()
  if (networks) {
    const others = networks.entries.map((entry) => entry.value).filter(({ name }) => name !== network.name)
    const cluster = takenByCluster(
      others,
      nodes.entries.map((entry) => entry.value),
    )
    const hosts = network.allowOverlap ? [] : takenByHosts(await routesOfHosts(store))
    // What lies within the present subnet is no worse off than before.
    for (const { present, cidr } of grown)
      refusals.try(() => refuseOverlap([cidr], { cluster, hosts: beyond(present, hosts) }))
  }
  const carried = mtu === undefined ? [] : await refusals.wait(carriedByAll(store, network, nodes))
  refusals.throwIfAny()
  return [...(networks ? [rangeUnchanged(store.keys.networks, networks.revision)] : []), ...(carried ?? [])]
}

/**
 * Whether the nodes that have the network carry its MTU. Those that carry less
 * must not get it meanwhile: their agents go by the MTU that they see.
 */
async function carriedByAll(store: Store, network: Network, { entries, revision }: Listing<Node>) {
  const { keys } = store
  const { name, mtu, eager } = network
  const tooSmall = entries.map((entry) => entry.value).filter((node) => carriedBy(node) < mtu)
  const having = eager
    ? tooSmall
    : await nodesWith(
        store,
        name,
        tooSmall.map((node) => node.name),
      ).then((names) => tooSmall.filter((node) => names.includes(node.name)))
  refuseMtu(mtu, having)
  const without =
    tooSmall.length <= mostCompared
      ? tooSmall.map((node) => rangeEmpty(placementsOf(store, node.name, name)))
      : [rangeUnchanged(keys.endpoints(name), revision)]
  return [rangeUnchanged(keys.nodes, revision), ...without]
}

/** `nodes`: those that have the network and carry too little. */
function refuseMtu(mtu: number, nodes: readonly Node[]): void {
  const carried = nodes.map((node) => ({ name: node.name, most: carriedBy(node) })).toSorted((a, b) => a.most - b.most)
  const [least] = carried
  if (!least) return
  const list = carried.slice(0, shown).map(({ name, most }) => `${name} (${most})`)
  const more = carried.length > shown ? ` and ${carried.length - shown} more` : ''
  throw new OverlayError(
    'failed_precondition',
    `mtu: ${mtu} is more than nodes that have the network carry: ${list.join(', ')}${more}; name at most ${least.most}, or raise the MTU of their underlay`,
  )
}
