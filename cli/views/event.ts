/** How events are shown: one line each, as they come. */
import type { Event } from '../../proto/index.ts'
import { alignedText } from '../table.ts'
import { listText, shortId } from './text.ts'

interface Subject {
  readonly kind: string
  /** Unique among its kind. */
  readonly name: string
  readonly details: string
}

/** `network/web`, `endpoint/<id>`, `node/host1`. */
export function eventName(event: Event): string {
  const { kind, name } = subjectOf(event)
  return `${kind}/${name}`
}

/** Columns are padded, but a stream cannot know how wide the next line will be. */
export function eventLine(event: Event): string {
  const { kind, name, details } = subjectOf(event)
  const told = event.action === 'WARNED' || event.action === 'CLEARED' || event.action === 'REPAIRED'
  const cells = [
    event.time.padEnd(24),
    event.action.toLowerCase().padEnd(8),
    kind.padEnd(8),
    (kind === 'endpoint' ? shortId(name) : name).padEnd(12),
    told ? event.message : details,
  ]
  return alignedText([cells])
}

function subjectOf({ network, endpoint, node, message }: Event): Subject {
  if (network)
    return {
      kind: 'network',
      name: network.name,
      details: `vni=${network.vni} subnets=${listText(network.subnets.map((subnet) => subnet.cidr))}`,
    }
  if (endpoint) {
    const named = endpoint.name ? ` name=${endpoint.name}` : ''
    return {
      kind: 'endpoint',
      name: endpoint.id,
      details: `network=${endpoint.network} node=${endpoint.node} addresses=${listText(endpoint.addresses)}${named}`,
    }
  }
  if (node) return { kind: 'node', name: node.name, details: `vtep=${node.vtepAddress}${message && ` ${message}`}` }
  return { kind: 'unknown', name: '', details: '' }
}
