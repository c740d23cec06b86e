/** Makes a network: name, VNI, subnets and gateways in one transaction. */
import { randomBytes } from 'node:crypto'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { retry } from '../../lib/retry.ts'
import type { CreateNetworkRequest, CreateNetworkResponse } from '../../proto/index.ts'
import { absent, put, rangeUnchanged, type Store, unchanged } from '../../store/store.ts'
import type { Pool, VniRange } from './allocate.ts'
import { planNetwork } from './plan-network.ts'
import { type NetworkWish, validateCreate } from './validate.ts'

export interface CreateOptions {
  readonly vnis: VniRange
  readonly pools: readonly Pool[]
}

export type CreateNetwork = (request: CreateNetworkRequest, signal: AbortSignal) => Promise<CreateNetworkResponse>

/** How often a creation starts anew because one of another controller came between. */
const attempts = 60
const backoff = { first: 4, most: 150 }

/**
 * Any number of controllers may create at once: what was decided on the list of
 * networks commits only if no network was written since. The creations of one
 * controller take turns, because of those that race only one goes through.
 */
export function networkCreator(store: Store, options: CreateOptions): CreateNetwork {
  let last: Promise<unknown> = Promise.resolve()
  return async (request, signal) => {
    const wish = validateCreate(request)
    const mine = last.then(() => create(store, options, wish, signal))
    last = mine.catch(() => undefined)
    return mine
  }
}

async function create(store: Store, options: CreateOptions, wish: NetworkWish, signal: AbortSignal) {
  if (signal.aborted) throw new OverlayError('deadline', 'the caller gave up before the network was made')
  let attempt = 0
  return retry(() => tryCreate(store, options, wish), {
    signal,
    backoff,
    worthwhile: (error) => hasCode(error, 'conflict') && ++attempt < attempts,
  })
}

async function tryCreate(
  store: Store,
  { vnis, pools }: CreateOptions,
  wish: NetworkWish,
): Promise<CreateNetworkResponse> {
  const { keys } = store
  const [networks, nodes, cursor] = await Promise.all([
    store.list(keys.networks),
    store.list(keys.nodes),
    store.get(keys.vniCursor),
  ])
  const surroundings = {
    networks: networks.entries.map((entry) => entry.value),
    nodes: nodes.entries.map((entry) => entry.value),
    vniCursor: cursor?.value.next,
    vnis,
    pools,
  }
  const birth = { uid: randomBytes(16).toString('hex'), createdAt: new Date().toISOString(), random: Math.random }
  const { network, nextVni } = planNetwork(wish, surroundings, birth)
  const key = keys.network(network.name)
  const vniKey = keys.vni(network.vni)
  const outcome = await store.commit({
    compares: [
      rangeUnchanged(keys.networks, networks.revision),
      absent(key),
      absent(vniKey),
      cursor ? unchanged(cursor) : absent(keys.vniCursor),
    ],
    writes: [
      put(key, network),
      put(vniKey, { network: network.name }),
      put(keys.vniCursor, { next: nextVni }, { over: cursor }),
      ...network.subnets.map(({ gateway }) => put(keys.address(network.name, parseIp(gateway)), { kind: 'GATEWAY' })),
    ],
  })
  if (!outcome.committed) throw new OverlayError('conflict', 'too many networks are being made at once: try again')
  return { network, revision: outcome.revision }
}
