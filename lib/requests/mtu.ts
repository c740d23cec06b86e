/** Which MTUs a network can have, as far as its families tell. */
import type { Faults } from '../faults.ts'
import type { Cidr } from '../ip.ts'
import { vxlanOverhead } from '../vxlan.ts'

/** The largest IP packet, less the overhead over IPv4. */
export const largestMtu = 65_535 - vxlanOverhead[4]

/** What RFC 8200, section 5, asks of every link that carries IPv6. */
export const ipv6Mtu = 1280

/** RFC 791 has every host take 576 bytes. */
export const ipv4Mtu = 576

/** For people. */
export const mtuRange = `${ipv4Mtu}, or ${ipv6Mtu} with IPv6, to ${largestMtu}`

export function smallestMtu(subnets: readonly { readonly cidr: Cidr }[]): number {
  return subnets.some(({ cidr }) => cidr.family === 6) ? ipv6Mtu : ipv4Mtu
}

/** Notes an MTU, asked for, that no network with such subnets can have. */
export function checkMtu(faults: Faults, mtu: number, least: number): void {
  if (mtu < least || mtu > largestMtu) faults.add(`mtu: ${mtu} is out of range: ${mtuRange}`)
}
