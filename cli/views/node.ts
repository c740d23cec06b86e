/** How nodes are shown. */
import { Node } from '../../proto/index.ts'
import { ageText } from '../age.ts'
import type { View } from '../output.ts'

/** Whether the node's agent is alive. */
export function liveness({ status }: Node): 'live' | 'lost' {
  return status?.live ? 'live' : 'lost'
}

const endpointCount = ({ status }: Node) => (status ? String(status.endpointCount) : '')
const since = ({ status }: Node, now: Date) => ageText(status?.sessionSince ?? '', now)

export const nodeView: View<Node> = {
  json: (node) => Node.toJson(node),
  name: (node) => node.name,
  columns: [
    { heading: 'NAME', cell: (node) => node.name },
    { heading: 'STATUS', cell: liveness },
    { heading: 'VTEP', cell: (node) => node.vtepAddress },
    { heading: 'UNDERLAY MTU', cell: (node) => String(node.underlayMtu), wide: true },
    { heading: 'ENDPOINTS', cell: endpointCount },
    { heading: 'VERSION', cell: (node) => node.version },
    { heading: 'AGE', cell: (node, now) => ageText(node.registeredAt, now) },
    { heading: 'SESSION', cell: since, wide: true },
    { heading: 'UID', cell: (node) => node.uid, wide: true },
  ],
  sheet: (node, now) => [
    ['Name', node.name],
    ['UID', node.uid],
    ['Status', liveness(node)],
    ['Session', node.status?.sessionSince ? `${node.status.sessionSince} (${since(node, now)} ago)` : ''],
    ['VTEP', node.vtepAddress],
    ['Underlay MTU', String(node.underlayMtu)],
    ['Endpoints', endpointCount(node)],
    ['Version', node.version],
    ['Boot id', node.bootId],
    ['Machine id', node.machineId],
    ['Registered', `${node.registeredAt} (${ageText(node.registeredAt, now)} ago)`],
  ],
  hint: 'no nodes yet: start overlay-agent on a host',
}
