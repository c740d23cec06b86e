/** The MTU of a network: what its nodes' underlays can carry. */
import { OverlayError } from '../../lib/errors.ts'
import { familyOf, parseIp } from '../../lib/ip.ts'
import { largestMtu } from '../../lib/requests/mtu.ts'
import { vxlanOverhead } from '../../lib/vxlan.ts'
import type { Node } from '../../proto/index.ts'

/** What a network can have whose packets go by this node, in bytes; Infinity where the node has no VTEP. */
export function carriedBy({ underlayMtu, vtepAddress }: Node): number {
  if (vtepAddress === '') return Infinity
  return underlayMtu - vxlanOverhead[familyOf(parseIp(vtepAddress))]
}

/**
 * What all registered nodes can carry, in bytes. `needed`: by the network's
 * families.
 * @throws OverlayError `failed_precondition` without a node, or when one of
 * them carries less than what is needed.
 */
export function mtuOfNodes(nodes: readonly Node[], needed: number): number {
  const carried = nodes.map((node) => ({ node, mtu: carriedBy(node) }))
  const [first, ...others] = carried
  if (!first)
    throw new OverlayError(
      'failed_precondition',
      'the MTU cannot be told, because no node is registered yet: start an agent first, or name the MTU (--mtu)',
    )
  const least = others.reduce((a, b) => (b.mtu < a.mtu ? b : a), first)
  if (least.mtu < needed)
    throw new OverlayError(
      'failed_precondition',
      `node ${least.node.name}'s underlay MTU of ${least.node.underlayMtu} leaves ${least.mtu} bytes for the network, which needs ${needed}: raise it, or name the MTU (--mtu)`,
    )
  return Math.min(least.mtu, largestMtu)
}
