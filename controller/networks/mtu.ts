/** The MTU of a network: what its nodes' underlays can carry. */
import { OverlayError } from '../../lib/errors.ts'
import { type Cidr, familyOf, parseIp } from '../../lib/ip.ts'
import { vxlanOverhead } from '../../lib/vxlan.ts'
import type { Node } from '../../proto/index.ts'

/** The largest IP packet, less the overhead over IPv4. */
export const largestMtu = 65_535 - vxlanOverhead[4]

/** RFC 791 has every host take 576 bytes; RFC 8200, section 5, asks 1280 of every IPv6 link. */
export function smallestMtu(subnets: readonly { readonly cidr: Cidr }[]): number {
  return subnets.some(({ cidr }) => cidr.family === 6) ? 1280 : 576
}

/**
 * What all registered nodes can carry, in bytes.
 * @throws OverlayError `failed_precondition` without a node, or when one of
 * them carries too little for the subnets.
 */
export function mtuOfNodes(nodes: readonly Node[], subnets: readonly { readonly cidr: Cidr }[]): number {
  const carried = nodes.map((node) => {
    return { node, mtu: node.underlayMtu - vxlanOverhead[familyOf(parseIp(node.vtepAddress))] }
  })
  const [first, ...others] = carried
  if (!first)
    throw new OverlayError(
      'failed_precondition',
      'the MTU cannot be told, because no node is registered yet: start an agent first, or name the MTU (--mtu)',
    )
  const least = others.reduce((a, b) => (b.mtu < a.mtu ? b : a), first)
  const needed = smallestMtu(subnets)
  if (least.mtu < needed)
    throw new OverlayError(
      'failed_precondition',
      `node ${least.node.name}'s underlay MTU of ${least.node.underlayMtu} leaves ${least.mtu} bytes for the network, which needs ${needed}: raise it, or name the MTU (--mtu)`,
    )
  return Math.min(least.mtu, largestMtu)
}
