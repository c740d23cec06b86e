/** How networks are shown. */
import { Network } from '../../proto/index.ts'
import { ageText } from '../age.ts'
import type { View } from '../output.ts'
import { tableText } from '../table.ts'
import { endpointView } from './endpoint.ts'
import { listText, pairsText } from './text.ts'

const subnets = (network: Network) => listText(network.subnets.map((subnet) => subnet.cidr))
const gateways = (network: Network) => listText(network.subnets.map((subnet) => subnet.gateway).filter(Boolean))
const endpointCount = ({ status }: Network) => (status ? String(status.endpointCount) : '')

export const networkView: View<Network> = {
  json: (network) => Network.toJson(network),
  name: (network) => network.name,
  columns: [
    { heading: 'NAME', cell: (network) => network.name },
    { heading: 'VNI', cell: (network) => String(network.vni) },
    { heading: 'SUBNETS', cell: subnets },
    { heading: 'GATEWAYS', cell: gateways, wide: true },
    { heading: 'MTU', cell: (network) => String(network.mtu) },
    { heading: 'ENDPOINTS', cell: endpointCount },
    { heading: 'AGE', cell: (network, now) => ageText(network.createdAt, now) },
    { heading: 'LABELS', cell: (network) => pairsText(network.labels), wide: true },
    { heading: 'OPTIONS', cell: (network) => pairsText(network.options), wide: true },
    { heading: 'UID', cell: (network) => network.uid, wide: true },
  ],
  sheet: (network, now) => [
    ['Name', network.name],
    ['UID', network.uid],
    ['State', network.state.toLowerCase()],
    ['VNI', String(network.vni)],
    ['Subnets', subnets(network)],
    ['Gateways', gateways(network)],
    ['MTU', String(network.mtu)],
    ['Labels', pairsText(network.labels)],
    ['Options', pairsText(network.options)],
    ['Created', `${network.createdAt} (${ageText(network.createdAt, now)} ago)`],
    ['Nodes', listText(network.status?.nodes ?? [])],
    ['Endpoints', endpointCount(network)],
  ],
  appendix: ({ status }, now) =>
    status && status.endpoints.length > 0
      ? `\n${tableText(endpointView.columns, status.endpoints, { now, wide: false })}`
      : '',
  hint: 'no networks yet: make one with "overlayctl create --subnet 10.0.9.0/24 web"',
}
