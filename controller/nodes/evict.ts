/**
 * Empties `placements/<node>/` of a node that is no more: with each placement
 * go the endpoint, its addresses, name and MAC. The addresses go into
 * quarantine, as those that an agent gives back: others still know them by the
 * old MAC.
 */
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Endpoint } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import { createQuarantine, putToRest, type Rest } from '../../store/quarantine.ts'
import {
  absent,
  type Compare,
  type Entry,
  type Key,
  remove,
  type Store,
  unchanged,
  type Write,
} from '../../store/store.ts'

/**
 * Endpoints per transaction. etcd takes 128 compares and 128 operations; an
 * endpoint needs at most six compares and, with two addresses, eight operations.
 */
const perStep = 16
/** A step is tried anew when another controller does the same work. */
const attempts = 20
const backoff = { first: 5, most: 200 }

interface Step {
  readonly compares: readonly Compare[]
  readonly writes: readonly Write[]
}

/**
 * Each step commits only while the node's record is absent, so that nothing is
 * taken from a node that has registered again. May be repeated, by several at
 * once, and after a crash at any point.
 * @returns how many endpoints were removed, by us.
 * @throws OverlayError `conflict` when the node is there again.
 */
export async function evict(store: Store, node: string): Promise<number> {
  const range = store.keys.placements(node)
  const quarantine = createQuarantine(store, () => performance.now())
  let removed = 0
  for (let attempt = 0; attempt < attempts; ) {
    const page = await store.page(range, { limit: perStep })
    if (page.entries.length === 0) return removed
    const rest = await quarantine.lease()
    const steps = await Promise.all(page.entries.map((entry) => stepFor(store, node, entry, rest)))
    const outcome = await store.commit({
      compares: [absent(store.keys.node(node)), ...steps.flatMap((step) => step.compares)],
      writes: steps.flatMap((step) => step.writes),
      otherwise: [store.keys.node(node)],
    })
    if (outcome.committed) {
      removed += page.entries.length
      attempt = 0
      continue
    }
    if (outcome.found[0]) throw new OverlayError('conflict', `node ${node} has registered again`)
    await pause(delayBefore(attempt++, backoff))
  }
  throw new OverlayError('conflict', `the endpoints of node ${node} are being removed by another controller`)
}

async function stepFor(store: Store, node: string, place: Entry<null>, rest: Rest): Promise<Step> {
  const { keys } = store
  const [network = '', id = ''] = partsBelow(keys.placements(node), place.path)
  const placement = remove(keys.placement(node, network, id))
  // What somebody else has removed meanwhile is not ours to count.
  const there = unchanged(place)
  const endpointKey = keys.endpoint(network, id)
  const endpoint = await store.get(endpointKey)
  if (!endpoint) return { compares: [there, absent(endpointKey)], writes: [placement] }
  if (endpoint.value.node !== node) return { compares: [there, unchanged(endpoint)], writes: [placement] }
  const owned = await ownedBy(store, endpoint.value)
  const addresses = endpoint.value.addresses
    .map((address) => parseIp(address))
    .filter((address) => owned.some(({ path }) => path === keys.address(network, address).path))
  return {
    compares: [there, unchanged(endpoint), ...owned.map((entry) => unchanged(entry))],
    writes: [
      placement,
      remove(endpointKey),
      ...owned.map((entry) => remove({ path: entry.path, type: null })),
      ...addresses.map((address) => putToRest(keys, network, address, node, rest)),
    ],
  }
}

/** The keys that say that this endpoint owns an address, a name, a MAC; not those that say otherwise. */
async function ownedBy(store: Store, { id, network, name, mac, addresses }: Endpoint) {
  const { keys } = store
  const claims: Key<{ endpointId: string }>[] = [
    ...addresses.map((address) => keys.address(network, parseIp(address))),
    ...(name ? [keys.name(network, name)] : []),
    ...(mac ? [keys.mac(network, parseMac(mac))] : []),
  ]
  const entries: (Entry<{ endpointId: string }> | undefined)[] = await Promise.all(claims.map((key) => store.get(key)))
  return entries.filter((entry) => entry !== undefined).filter((entry) => entry.value.endpointId === id)
}
