/** What an update asks of a network's subnets, held against those there are. */
import type { Faults } from '../../lib/faults.ts'
import { type Cidr, cidrAt, encloses, type Family } from '../../lib/ip.ts'
import { shorten } from '../../lib/quote.ts'
import { checkRange, type SubnetPlan, subnetFault } from '../../lib/requests/subnets.ts'
import type { SubnetChange } from '../../lib/requests/update-network.ts'
import type { Network } from '../../proto/index.ts'

/**
 * The subnets as they become. A subnet only grows: so every address that is
 * owned stays one that a host can have, because neither the first nor the last
 * address of the new subnet lies within the old one's hosts.
 */
export function changeSubnets(
  faults: Faults,
  network: Network,
  present: readonly SubnetPlan[],
  { changes, noRange }: { readonly changes: readonly SubnetChange[]; readonly noRange: readonly Family[] },
): readonly SubnetPlan[] {
  const families = present.map(({ cidr }) => cidr.family)
  for (const family of new Set([...changes.map((change) => change.family), ...noRange])) {
    if (families.includes(family)) continue
    faults.add(
      `subnets: network ${network.name} has no IPv${family} subnet, and none can be added: make another network (overlayctl create --config-from ${network.name} --subnet …)`,
    )
  }
  return present.map((plan) => {
    const change = changes.find(({ family }) => family === plan.cidr.family)
    const kept = noRange.includes(plan.cidr.family) ? { ...plan, ipRange: undefined } : plan
    return change ? changeSubnet(faults, kept, change) : kept
  })
}

function changeSubnet(faults: Faults, plan: SubnetPlan, change: SubnetChange): SubnetPlan {
  const { gateway, auxAddresses } = change
  if (gateway && gateway !== plan.gateway)
    faults.add(`gateway: it is ${plan.gateway} and cannot become ${gateway}, because endpoints use it: leave it out`)
  const asPresent = Object.entries(auxAddresses).every(([name, ip]) => plan.auxAddresses[name] === ip)
  const count = Object.keys(auxAddresses).length
  if (count > 0 && (!asPresent || count !== Object.keys(plan.auxAddresses).length))
    faults.add(`auxAddresses: they are ${listAux(plan)} and cannot become ${listAux(change)}: leave them out`)
  const cidr = change.cidr ? growInto(faults, plan.cidr, change.cidr) : plan.cidr
  const changed = { ...plan, cidr, ipRange: change.ipRange ?? plan.ipRange }
  if (change.ipRange) checkRange(faults, changed)
  return changed
}

function growInto(faults: Faults, present: Cidr, wanted: Cidr): Cidr {
  if (wanted.text === present.text) return present
  if (encloses(wanted, present)) return wanted
  if (encloses(present, wanted)) {
    faults.add(
      `subnet: ${wanted.text} is smaller than ${present.text}, and a subnet cannot shrink: choose addresses from a part of it with an ipRange, or make another network`,
    )
    return present
  }
  const larger = cidrAt(present.family, present.first, present.prefix - 1)
  const example = subnetFault(larger) ? '' : ` (for example ${larger.text})`
  faults.add(
    `subnet: ${wanted.text} does not contain ${present.text}, which has to stay: name one that does${example}, or make another network`,
  )
  return present
}

function listAux({ auxAddresses }: Pick<SubnetPlan, 'auxAddresses'>): string {
  const list = Object.entries(auxAddresses).map(([name, ip]) => `${shorten(name)}=${ip}`)
  return list.join(', ') || 'none'
}
