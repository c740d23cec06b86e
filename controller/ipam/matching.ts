/** Puts together what belongs together in one moment of the store; what is left over may be wrong. Pure. */
import { claimsOf } from './claims.ts'
import type { Held, Moment, OwnerKey, Placed } from './moment.ts'

/** What an endpoint says that it has, and its key does not say. */
export interface Dispute {
  readonly network: string
  readonly subject: string
  /** The first made first. */
  readonly endpoints: readonly Held[]
  /** The key names another endpoint, which has it. */
  readonly isOwned: boolean
}

export interface Matching {
  /** Of addresses, names and MACs: the keys that name no endpoint which has it. */
  readonly strays: {
    readonly addresses: Moment['addresses']
    readonly names: readonly OwnerKey[]
    readonly macs: readonly OwnerKey[]
  }
  /** Placements without their endpoint. */
  readonly strayPlacements: Moment['placements']
  /** Endpoints that their node lists. */
  readonly placed: ReadonlySet<Held>
  /** By path: only of endpoints whose network and node are there, which can be mended. */
  readonly disputes: ReadonlyMap<string, Dispute>
}

export const pathOf = (network: string, below: string) => `${network}/${below}`

/** Its network and node are there. */
export function isSound(moment: Moment, held: Held): boolean {
  return isOfItsNetwork(moment, held) && moment.nodes.has(held.value.node)
}

/** It is not of an earlier network of that name. */
export function isOfItsNetwork({ networks }: Moment, { network, value }: Held): boolean {
  return networks.get(network)?.uid === value.networkUid
}

/** Whether the endpoint says that it has what the key is of. */
export function saysItHas({ addresses, name, mac }: Held['value'], subject: string): boolean {
  if (addresses.includes(subject) || name === subject || mac === subject) return true
  // Records that were written by others may say the same in other words.
  return claimsOf({ addresses, name, mac }).some((claim) => claim.subject === subject)
}

/** Yields often; what is in order takes next to nothing. */
export function* match(moment: Moment): Generator<void, Matching> {
  const { endpoints } = moment
  /** How many keys name it. */
  const owned = new Map<Held, number>()
  function* strayOf<K extends OwnerKey>(keys: readonly K[]): Generator<void, K[]> {
    const strays: K[] = []
    for (const key of keys) {
      yield
      const held = ownerBy(moment, key)
      if (held) owned.set(held, (owned.get(held) ?? 0) + 1)
      else strays.push(key)
    }
    return strays
  }
  const strays = {
    addresses: yield* strayOf(moment.addresses),
    names: yield* strayOf(moment.names),
    macs: yield* strayOf(moment.macs),
  }
  const placed = new Set<Held>()
  const strayPlacements: Moment['placements'][number][] = []
  for (const placement of moment.placements) {
    yield
    const held = endpoints.get(pathOf(placement.network, placement.id))
    if (held?.value.node === placement.node) placed.add(held)
    else strayPlacements.push(placement)
  }
  const lacking: Held[] = []
  for (const held of endpoints.values()) {
    yield
    const { addresses, name, mac } = held.value
    const most = addresses.length + (name ? 1 : 0) + (mac ? 1 : 0)
    if ((owned.get(held) ?? 0) < most && isSound(moment, held)) lacking.push(held)
  }
  return { strays, strayPlacements, placed, disputes: yield* disputesOf(moment, lacking) }
}

/** The endpoint that the key names, if that one has it. */
function ownerBy({ endpoints }: Moment, { network, below, value }: Placed<{ readonly endpointId: string }>) {
  const held = endpoints.get(pathOf(network, value.endpointId))
  return held && saysItHas(held.value, below) ? held : undefined
}

function* disputesOf(moment: Moment, lacking: readonly Held[]): Generator<void, Map<string, Dispute>> {
  const claimants = new Map<string, { network: string; subject: string; endpoints: Held[] }>()
  for (const held of lacking.toSorted((a, b) => a.createRevision - b.createRevision))
    for (const { subject } of claimsOf(held.value)) {
      yield
      const path = pathOf(held.network, subject)
      const claimed = claimants.get(path) ?? { network: held.network, subject, endpoints: [] }
      claimed.endpoints.push(held)
      claimants.set(path, claimed)
    }
  const owners = new Map<string, Held>()
  if (claimants.size > 0)
    for (const keys of [moment.addresses, moment.names, moment.macs])
      for (const key of keys) {
        yield
        const path = pathOf(key.network, key.below)
        const owner = claimants.has(path) ? ownerBy(moment, key) : undefined
        if (owner) owners.set(path, owner)
      }
  const disputes = new Map<string, Dispute>()
  for (const [path, { network, subject, endpoints: all }] of claimants) {
    yield
    const owner = owners.get(path)
    const endpoints = all.filter((held) => held !== owner)
    if (endpoints.length > 0) disputes.set(path, { network, subject, endpoints, isOwned: owner !== undefined })
  }
  return disputes
}
