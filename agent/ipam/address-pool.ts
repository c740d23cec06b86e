/** Chooses free addresses: by what this agent knows, and by the store's own word when that runs out. */
import { OverlayError } from '../../lib/errors.ts'
import { contains, hostRange, type Ip, ipValue, parseIp } from '../../lib/ip.ts'
import type { ReleasedAddress } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Store } from '../../store/store.ts'
import type { NetworkView, SubnetView } from '../state/view.ts'
import { type Candidates, createCandidates } from './candidates.ts'

export interface AddressPool {
  /**
   * One address per subnet: those asked for, and candidates for the rest.
   * `attempt` counts the lost races of this claim.
   * @throws OverlayError `exhausted`, saying when the next address is free.
   */
  choose(network: NetworkView, requested: readonly Ip[], attempt: number): Promise<readonly Ip[]>
  /** The store says that someone has it whom our view does not show yet. */
  noteTaken(network: string, ip: Ip): void
  noteReleased(network: string, ip: Ip, record: ReleasedAddress): void
  /** Forget what is known of the network. */
  forget(network: string): void
}

export interface AddressPoolOptions {
  readonly store: Pick<Store, 'list' | 'keys'>
  readonly node: string
  readonly ownerOf: (network: string, ip: Ip) => string | undefined
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** Our view has an owner at the latest by then; if not, the next attempt tells. */
const viewLag = 5_000
/** Whatever a record says, an address is not passed over for longer. */
const longestRest = 120_000
/** After so many lost races the store itself is asked what is free. */
const patience = 4

interface Known {
  readonly candidates: Map<string, Candidates>
  /** Addresses that are not to be tried before this time. */
  readonly notBefore: Map<Ip, number>
}

export function createAddressPool({ store, node, ownerOf, now }: AddressPoolOptions): AddressPool {
  const networks = new Map<string, Known>()
  const known = (network: string): Known => {
    const found = networks.get(network) ?? { candidates: new Map(), notBefore: new Map() }
    networks.set(network, found)
    return found
  }
  const candidatesOf = (network: string, { cidr }: SubnetView): Candidates => {
    const { candidates } = known(network)
    const found = candidates.get(cidr.text) ?? createCandidates(cidr, node)
    candidates.set(cidr.text, found)
    return found
  }
  const avoid = (network: string, ip: Ip, milliseconds: number) => {
    known(network).notBefore.set(ip, now() + milliseconds)
  }

  const chooseFrom = async (network: NetworkView, subnet: SubnetView, attempt: number): Promise<Ip> => {
    const state = known(network.name)
    const candidates = candidatesOf(network.name, subnet)
    if (attempt < patience) {
      const ip = candidates.next(
        (candidate) =>
          candidate === subnet.gateway ||
          ownerOf(network.name, candidate) !== undefined ||
          (state.notBefore.get(candidate) ?? 0) > now(),
      )
      if (ip) return ip
    }
    state.notBefore.clear()
    return chooseByStore(network, subnet, candidates)
  }

  /** The store's own word: what is neither owned nor in quarantine. */
  const chooseByStore = async (network: NetworkView, subnet: SubnetView, candidates: Candidates): Promise<Ip> => {
    const owned = store.keys.addresses(network.name)
    const resting = store.keys.releasedAddresses(network.name)
    const [owners, released] = await Promise.all([store.list(owned), store.list(resting)])
    const taken = new Set(owners.entries.map(({ path }) => partsBelow(owned, path)[0]))
    const quarantined = released.entries.filter(({ path }) => !taken.has(partsBelow(resting, path)[0]))
    for (const { path } of quarantined) taken.add(partsBelow(resting, path)[0])
    const ip = candidates.next((candidate) => candidate === subnet.gateway || taken.has(candidate))
    if (ip) return ip
    const next = quarantined.map(({ value }) => value.freeAt).toSorted()[0]
    const hint = next ? `; the next one is free at ${next}` : ''
    throw new OverlayError(
      'exhausted',
      `${network.name} has no free address left in ${subnet.cidr.text} (${owners.entries.length} in use, ${quarantined.length} in quarantine)${hint}`,
    )
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
    noteTaken: (network, ip) => avoid(network, ip, viewLag),
    noteReleased(network, ip, { freeAt }) {
      // The clocks of hosts differ: trust the record only within bounds.
      const rest = new Date(freeAt).getTime() - Date.now()
      avoid(network, ip, Math.min(Math.max(rest || 0, 1_000), longestRest))
    },
    forget: (network) => void networks.delete(network),
  }
}

/**
 * Addresses asked for, parsed: each in a subnet of the network, a host's, and
 * at most one per subnet.
 * @throws OverlayError `invalid`
 */
export function checkRequested(network: NetworkView, texts: readonly string[]): readonly Ip[] {
  const ips = texts.map(parseIp)
  const subnetsOf = new Map(ips.map((ip) => [ip, network.subnets.find(({ cidr }) => contains(cidr, ip))]))
  for (const [ip, subnet] of subnetsOf) {
    if (!subnet) {
      const all = network.subnets.map(({ cidr }) => cidr.text).join(' and ')
      throw new OverlayError('invalid', `address ${ip} is not in ${network.name}: its addresses are in ${all}`)
    }
    const { first, last } = hostRange(subnet.cidr)
    if (ipValue(ip) < first || ipValue(ip) > last)
      throw new OverlayError(
        'invalid',
        `address ${ip} is not for hosts: it stands for the subnet ${subnet.cidr.text} itself`,
      )
  }
  if (new Set(subnetsOf.values()).size < ips.length)
    throw new OverlayError('invalid', `more than one address of a subnet was asked for: ${ips.join(', ')}`)
  return ips
}
