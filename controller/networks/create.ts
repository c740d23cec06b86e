/** Makes a network: name, VNI, subnets, gateways and auxiliary addresses in one transaction. */
import { randomBytes } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { type NetworkWish, validateCreate } from '../../lib/requests/create-network.ts'
import type { CreateNetworkRequest, CreateNetworkResponse } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import { absent, type Entry, put, rangeUnchanged, type Store, unchanged, type Write } from '../../store/store.ts'
import type { Pool, VniRange } from './allocate.ts'
import { inOrder } from './in-order.ts'
import { type NetworkPlan, planNetwork } from './plan-network.ts'
import { routesOfHosts } from './routes-of-hosts.ts'
import type { RoutesOfNode } from './taken.ts'

export interface CreateOptions {
  readonly vnis: VniRange
  readonly pools: readonly Pool[]
}

/** With what is known only once the cluster is. */
export interface CreatorOptions extends CreateOptions {
  /** Unique local subnets derive from it. */
  readonly clusterUid: string
}

export type CreateNetwork = (request: CreateNetworkRequest, signal: AbortSignal) => Promise<CreateNetworkResponse>

/**
 * Any number of controllers may create at once: what was decided on the list of
 * networks commits only if no network was written since.
 */
export function networkCreator(store: Store, options: CreatorOptions): CreateNetwork {
  const inTurn = inOrder()
  return async (request, signal) => {
    const wish = validateCreate(request)
    if (request.dryRun) {
      const { made } = await plan(store, options, wish, await routesOfHosts(store))
      return { network: made.network, revision: 0 }
    }
    let hosts: readonly RoutesOfNode[] | undefined
    return inTurn(async () => {
      hosts ??= await routesOfHosts(store)
      return tryCreate(store, options, wish, hosts)
    }, signal)
  }
}

async function tryCreate(
  store: Store,
  options: CreatorOptions,
  wish: NetworkWish,
  hosts: readonly RoutesOfNode[],
): Promise<CreateNetworkResponse> {
  const { keys } = store
  const { made, revision, cursor } = await plan(store, options, wish, hosts)
  const { network, nextVni } = made
  const key = keys.network(network.name)
  const vniKey = keys.vni(network.vni)
  const outcome = await store.commit({
    compares: [
      rangeUnchanged(keys.networks, revision),
      absent(key),
      absent(vniKey),
      ...(nextVni === undefined ? [] : [cursor ? unchanged(cursor) : absent(keys.vniCursor)]),
    ],
    writes: [
      put(key, network),
      put(vniKey, { network: network.name }),
      ...(nextVni === undefined ? [] : [put(keys.vniCursor, { next: nextVni }, { over: cursor })]),
      ...addressOwners(store, made),
    ],
  })
  if (!outcome.committed) throw new OverlayError('conflict', 'too many networks are being made at once: try again')
  return { network, revision: outcome.revision }
}

async function plan(
  store: Store,
  { clusterUid, vnis, pools }: CreatorOptions,
  wish: NetworkWish,
  hostRoutes: readonly RoutesOfNode[],
) {
  const { keys } = store
  const [networks, nodes, vniOwners, cursor] = await Promise.all([
    store.list(keys.networks),
    store.list(keys.nodes),
    store.list(keys.allVnis),
    store.get(keys.vniCursor),
  ])
  const owned = vniOwners.entries.map((entry): [number, (typeof entry)['value']] => [vniOf(store, entry), entry.value])
  const surroundings = {
    clusterUid,
    networks: networks.entries,
    nodes: nodes.entries.map((entry) => entry.value),
    hostRoutes,
    vniOwners: new Map(owned),
    vniCursor: cursor?.value.next,
    vnis,
    pools,
  }
  const birth = { uid: randomBytes(16).toString('hex'), createdAt: new Date().toISOString(), random: Math.random }
  return { made: planNetwork(wish, surroundings, birth), revision: networks.revision, cursor }
}

function vniOf({ keys }: Store, { path }: Entry<unknown>): number {
  return Number(partsBelow(keys.allVnis, path)[0])
}

/** Whom the addresses belong to that no endpoint can have. */
function addressOwners({ keys }: Store, { network, subnets }: NetworkPlan): readonly Write[] {
  return subnets.flatMap(({ gateway, auxAddresses }) => [
    put(keys.address(network.name, gateway), { kind: 'GATEWAY' }),
    ...Object.entries(auxAddresses).map(([name, ip]) =>
      put(keys.address(network.name, ip), { kind: 'AUXILIARY', name }),
    ),
  ])
}
