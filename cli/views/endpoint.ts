/** How endpoints are shown. */
import { Endpoint } from '../../proto/index.ts'
import { ageText } from '../age.ts'
import type { View } from '../output.ts'
import { listText, pairsText, shortId } from './text.ts'

const sandbox = ({ sandbox }: Endpoint) => sandbox?.path || sandbox?.kind.toLowerCase() || ''

export const endpointView: View<Endpoint> = {
  json: (endpoint) => Endpoint.toJson(endpoint),
  name: (endpoint) => endpoint.id,
  columns: [
    { heading: 'ID', cell: (endpoint) => shortId(endpoint.id) },
    { heading: 'NAME', cell: (endpoint) => endpoint.name },
    { heading: 'NETWORK', cell: (endpoint) => endpoint.network },
    { heading: 'NODE', cell: (endpoint) => endpoint.node },
    { heading: 'ADDRESSES', cell: (endpoint) => listText(endpoint.addresses) },
    { heading: 'MAC', cell: (endpoint) => endpoint.mac },
    { heading: 'INTERFACE', cell: (endpoint) => endpoint.ifname },
    { heading: 'SANDBOX', cell: sandbox, wide: true },
    { heading: 'GW PRIORITY', cell: ({ gwPriority }) => String(gwPriority), wide: true },
    { heading: 'AGE', cell: (endpoint, now) => ageText(endpoint.createdAt, now) },
    { heading: 'LABELS', cell: (endpoint) => pairsText(endpoint.labels), wide: true },
    { heading: 'FULL ID', cell: (endpoint) => endpoint.id, wide: true },
  ],
  sheet: (endpoint, now) => [
    ['ID', endpoint.id],
    ['Name', endpoint.name],
    ['Network', `${endpoint.network} (${endpoint.networkUid})`],
    ['Node', endpoint.node],
    ['Addresses', listText(endpoint.addresses)],
    ['MAC', endpoint.mac],
    ['Interface', endpoint.ifname],
    ['GW priority', String(endpoint.gwPriority)],
    ['Sandbox', sandbox(endpoint)],
    ['Cookie', endpoint.sandbox?.cookie ?? ''],
    ['Labels', pairsText(endpoint.labels)],
    ['Created', `${endpoint.createdAt} (${ageText(endpoint.createdAt, now)} ago)`],
  ],
  hint: 'no endpoints: make one with "overlayctl attach NETWORK --netns NAME"',
}
