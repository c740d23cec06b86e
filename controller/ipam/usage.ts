/** How much of a subnet is used. Pure: keys in, figures out; in steps, as there are many. */
import { isIP } from 'node:net'
import { type Cidr, choiceRange, hostRange, type Ip, ipValue, parseCidr } from '../../lib/ip.ts'
import type { Network, Subnet, SubnetUsage } from '../../proto/index.ts'
import { reservedIn } from './reserved.ts'

export interface AddressesInUse {
  /** All that have an owner, whoever it is, as canonical text. */
  readonly owned: Iterable<string>
  /** All in quarantine. */
  readonly released: Iterable<string>
  /**
   * Those of the owned ones that a reservation holds, which keys alone don't
   * tell. Gateways and auxiliary addresses need not be among them.
   */
  readonly reservations?: Iterable<string>
}

/**
 * One for each subnet of the network, in its order. Each address counts once:
 * as reserved before used, as either before quarantined. What is in quarantine
 * is not free, but counts as unused in `percentUsed`: it will be free by itself.
 */
export function* subnetUsage(
  network: Network,
  { owned, released, reservations = [] }: AddressesInUse,
): Generator<void, SubnetUsage[]> {
  const tallies = network.subnets.map((subnet) => tallyOf(subnet))
  function* inSubnets(texts: Iterable<string>, count: (tally: Tally, ip: Ip, value: bigint) => void) {
    for (const text of texts) {
      yield
      const family = isIP(text)
      const tally = tallies.find(({ cidr }) => cidr.family === family)
      if (!tally) continue
      const ip = text as Ip
      const value = ipValue(ip)
      if (tally.hosts.first <= value && value <= tally.hosts.last) count(tally, ip, value)
    }
  }
  const countAs = (state: keyof Counts) => (tally: Tally, ip: Ip, value: bigint) => {
    if (tally.seen.has(ip)) return
    tally.seen.add(ip)
    tally.whole[state]++
    if (tally.range.first <= value && value <= tally.range.last) tally.inRange[state]++
  }
  const kept = reservedIn(network).map(({ ip }) => ip)
  yield* inSubnets(kept, countAs('reserved'))
  yield* inSubnets(reservations, countAs('reserved'))
  yield* inSubnets(owned, countAs('used'))
  yield* inSubnets(released, countAs('quarantined'))
  return tallies.map(usageOf)
}

/** Where a subnet's addresses are chosen from: the host addresses of its range, or of all of it. */
export function choiceOf({ cidr, ipRange }: Pick<Subnet, 'cidr' | 'ipRange'>): Bounds {
  return choiceRange(parseCidr(cidr), ipRange === '' ? undefined : parseCidr(ipRange))
}

interface Counts {
  used: number
  reserved: number
  quarantined: number
}

/** Addresses as numbers, both ends included; without any, `last` is less than `first`. */
export interface Bounds {
  readonly first: bigint
  readonly last: bigint
}

interface Tally {
  readonly cidr: Cidr
  readonly hosts: Bounds
  /** Where addresses are chosen from. */
  readonly range: Bounds
  readonly seen: Set<Ip>
  readonly whole: Counts
  readonly inRange: Counts
}

function tallyOf(subnet: Subnet): Tally {
  const cidr = parseCidr(subnet.cidr)
  const hosts = hostRange(cidr)
  const none = () => ({ used: 0, reserved: 0, quarantined: 0 })
  return { cidr, hosts, range: choiceOf(subnet), seen: new Set(), whole: none(), inRange: none() }
}

function usageOf({ cidr, hosts, range, whole, inRange }: Tally): SubnetUsage {
  const size = sizeOf(range)
  return {
    cidr: cidr.text,
    ...whole,
    free: String(sizeOf(hosts) - sum(whole)),
    freeInRange: String(size - sum(inRange)),
    percentUsed: percent(inRange.used + inRange.reserved, size),
  }
}

/** Rounded down to hundredths: 100 only when nothing is left. A range without an address for hosts is full. */
function percent(part: number, whole: bigint): number {
  return whole === 0n ? 100 : Number((BigInt(part) * 10_000n) / whole) / 100
}

/** How many addresses. */
export function sizeOf({ first, last }: Bounds): bigint {
  return last < first ? 0n : last - first + 1n
}

function sum({ used, reserved, quarantined }: Counts): bigint {
  return BigInt(used + reserved + quarantined)
}
