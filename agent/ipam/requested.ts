/** Addresses that somebody asked for. */
import { contains, hostRange, type Ip, ipValue } from '../../lib/ip.ts'
import type { NetworkView, SubnetView } from '../state/view.ts'

/**
 * What is wrong with addresses that are asked for: each has to be in a subnet of
 * the network, a host's, and at most one per subnet. Whether it is in the range
 * that addresses are chosen from does not matter.
 */
export function addressFaults({ name, subnets }: NetworkView, ips: readonly Ip[]): readonly string[] {
  const faults: string[] = []
  const found: SubnetView[] = []
  for (const ip of ips) {
    const subnet = subnets.find(({ cidr }) => contains(cidr, ip))
    if (subnet) {
      found.push(subnet)
      faults.push(...hostFaults(subnet, ip))
    } else {
      const all = subnets.map(({ cidr }) => cidr.text).join(' and ')
      faults.push(`address ${ip} is not in ${name}: its addresses are in ${all}`)
    }
  }
  if (new Set(found).size < found.length)
    faults.push(`more than one address of a subnet was asked for: ${ips.join(', ')}`)
  return faults
}

function hostFaults({ cidr }: SubnetView, ip: Ip): readonly string[] {
  const { first, last } = hostRange(cidr)
  if (ipValue(ip) < first) return [`address ${ip} is not for hosts: it stands for the subnet ${cidr.text} itself`]
  if (ipValue(ip) > last) return [`address ${ip} is not for hosts: it is the broadcast address of ${cidr.text}`]
  return []
}
