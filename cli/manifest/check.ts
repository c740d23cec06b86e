/** What is wrong with networks of a manifest that the form of their fields does not tell. */
import { Faults } from '../../lib/faults.ts'
import { overlaps } from '../../lib/ip.ts'
import { readCreate } from '../../lib/requests/create-network.ts'
import { CreateNetworkRequest } from '../../proto/index.ts'
import { creationOf } from './plan.ts'
import type { WantedNetwork } from './schema.ts'

/** A network and where it is described, for messages: `net.yaml, document 2 (web)`. */
export interface Described {
  readonly where: string
  readonly network: WantedNetwork
}

/** Notes every fault of one network by itself: what the controller would refuse of it, whatever there is. */
export function checkNetwork(faults: Faults, { where, network }: Described): void {
  const own = new Faults()
  readCreate(own, CreateNetworkRequest.create(creationOf(network)))
  for (const fault of own.all) faults.add(`${where}: ${fault}`)
}

/** Notes what cannot be true of two networks at once. */
export function checkTogether(faults: Faults, described: readonly Described[]): void {
  const once = (field: string, of: (network: WantedNetwork) => string | number | undefined) => {
    const seen = new Map<string | number, string>()
    for (const { where, network } of described) {
      const value = of(network)
      if (value === undefined) continue
      const before = seen.get(value)
      if (before !== undefined) faults.add(`${where}: ${field}: ${value} is that of ${before} already`)
      else seen.set(value, where)
    }
  }
  once('name', ({ name }) => name)
  once('vni', ({ vni }) => vni)
  checkOverlaps(faults, described)
}

/** In order of their first addresses, each need be compared only with the one that reached furthest so far. */
function checkOverlaps(faults: Faults, described: readonly Described[]): void {
  const all = described
    .flatMap(({ where, network }) => (network.subnets ?? []).map(({ cidr }) => ({ where, name: network.name, cidr })))
    .toSorted((a, b) => (a.cidr.first < b.cidr.first ? -1 : a.cidr.first > b.cidr.first ? 1 : 0))
  for (const family of [4, 6]) {
    let furthest: (typeof all)[number] | undefined
    for (const one of all.filter(({ cidr }) => cidr.family === family)) {
      if (furthest && furthest.name !== one.name && overlaps(furthest.cidr, one.cidr))
        faults.add(`${one.where}: subnets: ${one.cidr.text} overlaps ${furthest.cidr.text} of ${furthest.where}`)
      if (!furthest || one.cidr.last > furthest.cidr.last) furthest = one
    }
  }
}
