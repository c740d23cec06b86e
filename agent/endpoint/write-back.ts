/** Writes back to a store that went back what lives on this host and the store has lost. */
import { OverlayError } from '../../lib/errors.ts'
import { contains } from '../../lib/ip.ts'
import { mapParallel } from '../../lib/parallel.ts'
import type { AddressOwner, Endpoint, Init, Network } from '../../proto/index.ts'
import { absent, type Entry, type Key, put, remove, type Store, unchanged } from '../../store/store.ts'
import { ownerText } from '../ipam/claim.ts'
import { tenureWrites } from '../ipam/tenure.ts'
import type { Living } from '../living.ts'
import { evicted, type Registration } from '../node/registration.ts'
import { endpointRecord, readNetwork } from '../view/records.ts'

export interface WriteBackParts {
  readonly store: Store
  readonly registration: Registration
}

export interface WrittenBack {
  readonly restored: readonly Init<Endpoint>[]
  readonly left: readonly Left[]
}

/** An endpoint that lives here and could not be written back. */
export interface Left {
  readonly id: string
  readonly network: string
  /** Which, why, and what to do. */
  readonly text: string
}

/** Endpoints that are written at once. */
const atOnce = 16
/** What it goes by may change meanwhile. */
const attempts = 5

/**
 * With its id, addresses, MAC, name and labels, create-if-absent of all its keys
 * in one transaction, as a claim, fenced by the node's record. Where the store
 * has an older record of it, that is written anew: where its sandbox is, is for
 * this host to say. May be repeated.
 * @throws OverlayError `unavailable`, also when others change the same keys all
 * the time; `failed_precondition` when the node was evicted. What was written by
 * then is there.
 */
export async function writeBack(parts: WriteBackParts, living: readonly Living[]): Promise<WrittenBack> {
  const { keys } = parts.store
  const restored: Init<Endpoint>[] = []
  const left: Left[] = []
  for (const name of new Set(living.map(({ endpoint }) => endpoint.network))) {
    const there = await parts.store.list(keys.endpoints(name))
    const entryOf = new Map(there.entries.map((entry) => [entry.path, entry]))
    const lost = living.filter(
      ({ endpoint }) =>
        endpoint.network === name && !isSame(entryOf.get(keys.endpoint(name, endpoint.id).path), endpoint),
    )
    await mapParallel(lost, atOnce, async (one) => {
      const outcome = await writeOne(parts, one)
      if (typeof outcome === 'string') left.push(leftAs(one, outcome))
      else if (outcome) restored.push(outcome)
    })
  }
  return { restored, left }
}

/** Undefined: it is there by now; a text: why it cannot be written. */
async function writeOne(
  { store, registration }: WriteBackParts,
  living: Living,
): Promise<Init<Endpoint> | string | undefined> {
  const { keys } = store
  const { endpoint } = living
  const { id, network: name, node, mac, addresses } = endpoint
  for (let attempt = 0; attempt < attempts; attempt++) {
    const network = await store.get(keys.network(name))
    if (!network) return `network ${name} is not in the store`
    const misfit = misfitOf(living, network)
    if (misfit) return misfit
    const key = keys.endpoint(name, id)
    const own = await store.get(key)
    if (isSame(own, endpoint)) return undefined
    if (own && own.value.node !== node) return `it is that of node ${own.value.node} by now`
    const refs = [keys.mac(name, mac), ...(endpoint.name ? [keys.name(name, endpoint.name)] : [])]
    const held = await Promise.all(refs.map((ref) => holding(store, ref)))
    const owned = await Promise.all(addresses.map((ip) => holding(store, keys.address(name, ip))))
    const others = [...held, ...owned].filter(({ entry }) => entry && entry.value.endpointId !== id)
    const [other] = others
    if (other) return `${other.key.path.slice(keys.prefix.length)} is ${holderText(other.entry?.value)}`
    const record = { ...endpointRecord(endpoint, readNetwork(network)), networkUid: network.value.uid }
    const outcome = await store.commit({
      compares: [
        unchanged(network),
        registration.compare(),
        own ? unchanged(own) : absent(key),
        ...[...held, ...owned].map((one) => (one.entry ? unchanged(one.entry) : absent(one.key))),
      ],
      writes: [
        put(key, record, { over: own }),
        ...refs.map((ref) => put(ref, { endpointId: id })),
        ...addresses.map((ip) => put(keys.address(name, ip), { kind: 'ENDPOINT', endpointId: id, node } as const)),
        put(keys.placement(node, name, id), null),
        ...tenureWrites(keys, endpoint),
        ...addresses.map((ip) => remove(keys.releasedAddress(name, ip))),
      ],
    })
    if (outcome.committed) return record
    const now = await store.get(keys.node(node))
    if (now?.createRevision !== registration.generation()) throw evicted(node)
    registration.seen(now)
  }
  // Nothing that is said of it for good: who discards what is left is not to lose it.
  throw new OverlayError('unavailable', `the keys of endpoint ${id} are being changed by others: resync once more`)
}

/** It is there, and in the sandbox in which it lives. */
function isSame(entry: Entry<Endpoint> | undefined, { sandbox, ifname }: Living['endpoint']): boolean {
  const there = entry?.value.sandbox
  return (
    entry !== undefined &&
    entry.value.ifname === ifname &&
    there?.bootId === sandbox?.bootId &&
    there?.cookie === sandbox?.cookie &&
    there?.path === sandbox?.path
  )
}

/** Why the network that the store has is not the one that it lives in. */
function misfitOf({ endpoint, networkUid }: Living, network: Entry<Network>): string | undefined {
  const { name, uid } = network.value
  if (uid !== networkUid) return `network ${name} of the store is another one than that which it was attached to`
  const { subnets } = readNetwork(network)
  const outside = endpoint.addresses.find((ip) => !subnets.some(({ cidr }) => contains(cidr, ip)))
  if (outside === undefined) return undefined
  const known = subnets.map(({ cidr }) => cidr.text).join(', ')
  return `${outside} is outside of what network ${name} has in the store (${known}): give it its subnet with "overlayctl update", and resync once more`
}

interface Holding<T> {
  readonly key: Key<T>
  readonly entry: Entry<T> | undefined
}

async function holding<T>(store: Store, key: Key<T>): Promise<Holding<T>> {
  return { key, entry: await store.get(key) }
}

function holderText(value: AddressOwner | { readonly endpointId: string } | undefined): string {
  if (!value) return 'taken'
  return `that of ${'kind' in value ? ownerText(value) : `endpoint ${value.endpointId}`} by now`
}

/** What is said of an endpoint that is left as it is. */
export function leftAs({ endpoint: { id, network, addresses } }: Living, why: string): Left {
  const text = `endpoint ${id} of network ${network} (${addresses.join(', ') || 'address not known'}): ${why}; to give it up, run "overlayctl detach ${id}" on its host, or resync with --discard`
  return { id, network, text }
}
