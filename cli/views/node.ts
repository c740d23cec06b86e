/** How nodes are shown. */
import { Node } from '../../proto/index.ts'
import { ageText } from '../age.ts'
import type { View } from '../output.ts'

/** False also of a record without status: nothing is known then. */
export function isUnreachable({ status }: Node): boolean {
  return status?.live === false
}

/** `ready`, `unreachable`, `ready, drained`; nothing for a record without status. */
function stateText(node: Node): string {
  if (!node.status) return ''
  return `${isUnreachable(node) ? 'unreachable' : 'ready'}${node.status.drain ? ', drained' : ''}`
}

function drainText({ status }: Node, now: Date): string {
  if (!status?.drain) return ''
  const { since, reason } = status.drain
  return `since ${since} (${ageText(since, now)})${reason && `: ${reason}`}`
}

const endpointCount = ({ status }: Node) => (status ? String(status.endpointCount) : '')
const since = ({ status }: Node, now: Date) => ageText(status?.sessionSince ?? '', now)

export const nodeView: View<Node> = {
  json: (node) => Node.toJson(node),
  name: (node) => node.name,
  columns: [
    { heading: 'NAME', cell: (node) => node.name },
    { heading: 'STATUS', cell: stateText },
    { heading: 'VTEP', cell: (node) => node.vtepAddress },
    { heading: 'UNDERLAY MTU', cell: (node) => String(node.underlayMtu), wide: true },
    { heading: 'ENDPOINTS', cell: endpointCount },
    { heading: 'VERSION', cell: (node) => node.version },
    { heading: 'AGE', cell: (node, now) => ageText(node.registeredAt, now) },
    { heading: 'SESSION', cell: since, wide: true },
    { heading: 'DRAINED', cell: ({ status }) => (status?.drain ? status.drain.reason || 'yes' : ''), wide: true },
    { heading: 'UID', cell: (node) => node.uid, wide: true },
  ],
  sheet: (node, now) => [
    ['Name', node.name],
    ['UID', node.uid],
    ['Status', stateText(node)],
    ['Drained', drainText(node, now)],
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
