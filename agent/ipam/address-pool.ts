/** Chooses free addresses: by what this agent knows, and by the store's own word when that runs out. */
import { contains, type Family, familyOf, type Ip } from '../../lib/ip.ts'
import type { ReleasedAddress } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import { longestRest } from '../../store/quarantine.ts'
import type { Entry, Store } from '../../store/store.ts'
import type { NetworkView, SubnetView } from '../state/view.ts'
import { type Candidates, createCandidates } from './candidates.ts'
import { exhausted } from './exhausted.ts'
import { createGivenBack, type GivenBack } from './given-back.ts'

export interface AddressPool {
  /**
   * One address per subnet: those asked for, and free ones for the rest: such as
   * were never used, as far as it was seen, then the one given back the longest
   * ago. `attempt` counts the lost races of this claim.
   * @throws OverlayError `exhausted`, saying when the next address is free.
   */
  choose(network: NetworkView, requested: readonly Ip[], attempt: number): Promise<readonly Ip[]>
  /** Somebody was faster, whom our view does not show yet. */
  noteTaken(network: string, ip: Ip): void
  /** The view saw its owner go. */
  noteGone(network: string, ip: Ip): void
  /** The store says that it rests. */
  noteReleased(network: string, ip: Ip, record: ReleasedAddress): void
  /** Forget what is known of the network. */
  forget(network: string): void
}

export interface AddressPoolOptions {
  readonly store: Pick<Store, 'list' | 'paths' | 'keys'>
  readonly node: string
  readonly ownerOf: (network: string, ip: Ip) => string | undefined
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** The view sees an address go a moment after its rest began, and etcd ends leases a moment late. */
const margin = 5_000
/** After so many lost races the store itself is asked what is free. */
const patience = 4

/** What is known of a network's addresses of one family. */
interface Known {
  /** What `turn` goes over. */
  range: string
  turn: Candidates | undefined
  readonly givenBack: GivenBack
}

export function createAddressPool({ store, node, ownerOf, now }: AddressPoolOptions): AddressPool {
  const networks = new Map<string, Record<Family, Known>>()
  const known = (network: string, family: Family): Known => {
    const fresh = () => ({ range: '', turn: undefined, givenBack: createGivenBack() })
    const found = networks.get(network) ?? { 4: fresh(), 6: fresh() }
    networks.set(network, found)
    return found[family]
  }
  const startTurn = (state: Known, { cidr, ipRange = cidr }: SubnetView): Candidates => {
    state.range = `${cidr.text} ${ipRange.text}`
    state.turn = createCandidates(cidr, ipRange, node)
    return state.turn
  }
  /** The turn that is under way, unless the subnet or its range is another since. */
  const turnOf = (state: Known, subnet: SubnetView): Candidates => {
    const { cidr, ipRange = cidr } = subnet
    const isSame = state.range === `${cidr.text} ${ipRange.text}`
    return (isSame ? state.turn : undefined) ?? startTurn(state, subnet)
  }

  const chooseFrom = async ({ name }: NetworkView, subnet: SubnetView, attempt: number): Promise<Ip> => {
    const state = known(name, subnet.cidr.family)
    const isTaken = (ip: Ip) => isReserved(subnet, ip) || ownerOf(name, ip) !== undefined
    if (attempt < patience) {
      const { givenBack } = state
      const ip =
        turnOf(state, subnet).next((candidate) => isTaken(candidate) || givenBack.has(candidate)) ??
        givenBack.take(now(), (candidate) => isInRange(subnet, candidate) && !isTaken(candidate))
      if (ip) return ip
    }
    return chooseByStore(name, subnet, state)
  }

  const chooseByStore = async (name: string, subnet: SubnetView, state: Known): Promise<Ip> => {
    const { owned, resting } = await storesWord(store, name)
    for (const [ip, { value }] of resting) if (familyOf(ip) === subnet.cidr.family) noteReleased(name, ip, value)
    const isTaken = (ip: Ip) => isReserved(subnet, ip) || owned.has(ip) || resting.has(ip)
    const isUsed = (ip: Ip) => isTaken(ip) || state.givenBack.has(ip)
    // A claim beside this one may have begun a new turn already: not to try what it tries.
    const ip =
      turnOf(state, subnet).next(isUsed) ??
      startTurn(state, subnet).next(isUsed) ??
      state.givenBack.takeAny((candidate) => isInRange(subnet, candidate) && !isTaken(candidate))
    if (ip) return ip
    throw exhausted(
      name,
      subnet,
      owned,
      Array.from(resting, ([address, { value }]) => ({ address, freeAt: value.freeAt })),
    )
  }

  const noteReleased = (network: string, ip: Ip, { freeAt }: ReleasedAddress) => {
    // The clocks of hosts differ: trust the record only within bounds.
    const rest = new Date(freeAt).getTime() - Date.now()
    const notBefore = now() + Math.min(Math.max(rest || 0, 1_000), longestRest) + margin
    known(network, familyOf(ip)).givenBack.note(ip, notBefore)
  }

  return {
    async choose(network, requested, attempt) {
      const chosen: Ip[] = []
      for (const subnet of network.subnets) {
        const asked = requested.find((ip) => contains(subnet.cidr, ip))
        chosen.push(asked ?? (await chooseFrom(network, subnet, attempt)))
      }
      return chosen
    },
    // Where two go the same way they would meet again and again.
    noteTaken: (network, ip) => known(network, familyOf(ip)).turn?.jump(),
    noteGone: (network, ip) => known(network, familyOf(ip)).givenBack.note(ip, now() + longestRest + margin),
    noteReleased,
    forget: (network) => void networks.delete(network),
  }
}

/** What the store has of a network's addresses: who owns one, and what rests. */
async function storesWord(store: AddressPoolOptions['store'], network: string) {
  const owners = store.keys.addresses(network)
  const released = store.keys.releasedAddresses(network)
  const [{ paths }, { entries }] = await Promise.all([store.paths(owners), store.list(released)])
  const owned = new Set(paths.map((path) => partsBelow(owners, path)[0] as Ip))
  const resting = new Map<Ip, Entry<ReleasedAddress>>()
  const inOrder = entries.toSorted((a, b) => a.modRevision - b.modRevision)
  for (const entry of inOrder) {
    const ip = partsBelow(released, entry.path)[0] as Ip
    if (!owned.has(ip)) resting.set(ip, entry)
  }
  return { owned, resting }
}

/** Nobody's endpoint, whatever the store says. */
function isReserved({ gateway, aux }: SubnetView, ip: Ip): boolean {
  return ip === gateway || aux.has(ip)
}

function isInRange({ cidr, ipRange = cidr }: SubnetView, ip: Ip): boolean {
  return contains(ipRange, ip)
}
