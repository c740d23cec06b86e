/** Claims addresses: create-if-absent, in one transaction with the endpoint. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { OverlayError } from '../../lib/errors.ts'
import type { Ip } from '../../lib/ip.ts'
import { type Mac, macOf } from '../../lib/mac.ts'
import { type AddressOwner, type Drain, Endpoint, type Init, type Network, type Node } from '../../proto/index.ts'
import {
  absent,
  type Compare,
  type Entry,
  type Key,
  OutcomeUnknownError,
  put,
  remove,
  type Store,
  type Write,
} from '../../store/store.ts'
import { evicted, type Registration } from '../node/registration.ts'
import type { NetworkView } from '../state/view.ts'
import type { AddressPool } from './address-pool.ts'
import { tenureWrites } from './tenure.ts'

export interface ClaimRequest {
  readonly name: string
  /** Undefined: derived from the endpoint's id. */
  readonly mac: Mac | undefined
  /** At most one per subnet, checked already; the other subnets get one of our choice. */
  readonly addresses: readonly Ip[]
  readonly record: Pick<Endpoint, 'node' | 'ifname' | 'labels' | 'gwPriority'> & {
    readonly sandbox: Init<Endpoint['sandbox']>
  }
}

export interface Claimed {
  readonly value: Endpoint
  readonly revision: number
}

export interface ClaimParts {
  readonly store: Store
  readonly registration: Registration
  /** The network as we know it now. @throws OverlayError `not_found` */
  readonly network: () => NetworkView
  /** A newer record of the network was met. */
  readonly onNetwork: (entry: Entry<Network>) => void
  readonly pool: AddressPool
  /** 32 hex digits. */
  readonly newId: () => string
  /** Told before the transaction is sent, and again when nothing came of it. */
  readonly onAttempt: (endpointId: string) => void
  readonly onRefused: (endpointId: string) => void
  /** Done while the store is at it, whatever comes of the claim. Throws nothing. */
  readonly meanwhile: (endpoint: Endpoint) => void
}

/** So many lost races in a row are no accident. */
const mostAttempts = 200

/**
 * Claims one address per subnet for a new endpoint.
 * @throws OverlayError `exhausted`, `already_exists` (name, MAC or address asked
 * for), `not_found` (network), `failed_precondition` (evicted, or drained);
 * OutcomeUnknownError: then the attempt is still open.
 */
export async function claim(parts: ClaimParts, request: ClaimRequest): Promise<Claimed> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const id = parts.newId()
    const network = parts.network()
    const addresses = await parts.pool.choose(network, request.addresses, attempt)
    const transaction = claimTransaction(parts, network, request, id, addresses)
    parts.onAttempt(id)
    const value = Endpoint.create(transaction.endpoint)
    const committing = parts.store.commit(transaction).catch((error: unknown) => {
      if (!(error instanceof OutcomeUnknownError)) parts.onRefused(id)
      throw error
    })
    // Awaited below; a refusal that comes first must not count as nobody's.
    committing.catch(() => undefined)
    await onceSent()
    parts.meanwhile(value)
    const outcome = await committing
    if (outcome.committed) return { value, revision: outcome.revision }
    parts.onRefused(id)
    learn(parts, network, request, addresses, outcome.found)
  }
  throw new OverlayError(
    'conflict',
    `no address of ${parts.network().name} could be claimed in ${mostAttempts} attempts`,
  )
}

/**
 * Turns of the event loop in which grpc-js takes a request through its layers
 * until it is written: found by measuring. Should it need more one day, the work
 * that is done meanwhile is only done a little later.
 */
const turnsToSend = 4

async function onceSent(): Promise<void> {
  for (let turn = 0; turn < turnsToSend; turn++) await nextTurn()
}

function claimTransaction(
  { store, registration }: ClaimParts,
  network: NetworkView,
  { name, mac: given, addresses: requested, record }: ClaimRequest,
  id: string,
  addresses: readonly Ip[],
) {
  const { keys } = store
  const mac = given ?? endpointMac(id)
  const endpoint = {
    ...record,
    id,
    network: network.name,
    networkUid: network.uid,
    name,
    mac,
    addresses,
    createdAt: new Date().toISOString(),
  }
  const chosen = addresses.filter((ip) => !requested.includes(ip))
  const unique: readonly Key<unknown>[] = [
    keys.mac(network.name, mac),
    ...(name ? [keys.name(network.name, name)] : []),
    ...addresses.map((ip) => keys.address(network.name, ip)),
    ...chosen.map((ip) => keys.releasedAddress(network.name, ip)),
  ]
  const compares: Compare[] = [
    { on: 'key', path: keys.network(network.name).path, modRevision: network.modRevision },
    registration.compare(),
    absent(keys.drain(record.node)),
    absent(keys.endpoint(network.name, id)),
    ...unique.map(absent),
  ]
  const writes: Write[] = [
    put(keys.endpoint(network.name, id), endpoint),
    put(keys.mac(network.name, mac), { endpointId: id }),
    ...(name ? [put(keys.name(network.name, name), { endpointId: id })] : []),
    ...addresses.map((ip) =>
      put(keys.address(network.name, ip), { kind: 'ENDPOINT', endpointId: id, node: record.node } as const),
    ),
    put(keys.placement(record.node, network.name, id), null),
    ...tenureWrites(keys, endpoint),
    ...requested.map((ip) => remove(keys.releasedAddress(network.name, ip))),
  ]
  const otherwise = [keys.network(network.name), keys.node(record.node), keys.drain(record.node), ...unique]
  return { compares, writes, otherwise, endpoint }
}

/** The endpoint's MAC: its own, not its address's, so that a reused address has a new one. */
function endpointMac(id: string): Mac {
  return macOf('endpoint', id)
}

type Found = readonly (Entry<unknown> | undefined)[]

/**
 * Why the claim was refused. Returns when another attempt has a chance.
 * @throws OverlayError `not_found`, `failed_precondition`; `already_exists` naming all that was asked for and is taken.
 */
function learn(
  parts: ClaimParts,
  network: NetworkView,
  request: ClaimRequest,
  addresses: readonly Ip[],
  found: Found,
): void {
  const { keys } = parts.store
  const at = new Map(found.flatMap((entry) => (entry ? [[entry.path, entry] as const] : [])))
  const entryOf = <T>(key: Key<T>) => at.get(key.path) as Entry<T> | undefined

  const record = entryOf(keys.network(network.name))
  if (!record) throw new OverlayError('not_found', `network ${network.name} was removed`)
  parts.onNetwork(record)

  const node: Entry<Node> | undefined = entryOf(keys.node(request.record.node))
  if (node?.createRevision !== parts.registration.generation()) throw evicted(request.record.node)
  parts.registration.seen(node)
  const drain = entryOf(keys.drain(request.record.node))
  if (drain) throw drained(request.record.node, drain.value)

  const taken: string[] = []
  const namesake = request.name ? entryOf(keys.name(network.name, request.name)) : undefined
  if (namesake)
    taken.push(`name "${request.name}" is taken in ${network.name} by endpoint ${namesake.value.endpointId}`)
  for (const ip of addresses) {
    const owner = entryOf(keys.address(network.name, ip))
    const released = entryOf(keys.releasedAddress(network.name, ip))
    if (owner && request.addresses.includes(ip))
      taken.push(`address ${ip} is taken in ${network.name} by ${ownerText(owner.value)}`)
    else if (owner) parts.pool.noteTaken(network.name, ip)
    else if (released) parts.pool.noteReleased(network.name, ip, released.value)
  }
  const twin = request.mac ? entryOf(keys.mac(network.name, request.mac)) : undefined
  if (twin) taken.push(`MAC ${request.mac} is taken in ${network.name} by endpoint ${twin.value.endpointId}`)
  if (taken.length > 0) throw new OverlayError('already_exists', `${taken.join('; ')}: ask for another`)
}

function drained(node: string, { reason, since }: Drain): OverlayError {
  const why = [reason, since && `since ${since}`].filter(Boolean).join(', ')
  return new OverlayError(
    'failed_precondition',
    `node ${node} is drained${why && ` (${why})`}, and takes up nothing new: "overlayctl node undrain ${node}" ends that`,
  )
}

/** Whose an address is, for people. */
export function ownerText({ kind, endpointId, node, name }: AddressOwner): string {
  const owners: Record<AddressOwner['kind'], string> = {
    ENDPOINT: `endpoint ${endpointId} on node ${node}`,
    GATEWAY: 'the gateway',
    AUXILIARY: `the auxiliary address "${name}"`,
    RESERVATION: `a reservation of node ${node}`,
    KIND_UNSPECIFIED: 'an owner that this version does not know',
  }
  return owners[kind]
}
