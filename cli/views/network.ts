/** How networks are shown. */
import { Network, type Subnet, type SubnetUsage } from '../../proto/index.ts'
import { ageText } from '../age.ts'
import type { View } from '../output.ts'
import { tableText } from '../table.ts'
import { endpointView } from './endpoint.ts'
import { type ShownSubnet, subnetColumns } from './ipam.ts'
import { countText, listText, pairsText, shortId } from './text.ts'

const ofSubnets = ({ subnets }: Network, part: (subnet: Subnet) => string) =>
  listText(subnets.map(part).filter(Boolean))
const subnets = (network: Network) => ofSubnets(network, ({ cidr }) => cidr)
const gateways = (network: Network) => ofSubnets(network, ({ gateway }) => gateway)
const endpointCount = ({ status }: Network) => (status ? String(status.endpointCount) : '')

/** What is out of the ordinary about a network, in the words of `create`. */
function flagsText({ internal, multicast, eager, allowOverlap }: Network): string {
  const flags = { internal, multicast, eager, 'allow-overlap': allowOverlap }
  return listText(Object.entries(flags).flatMap(([name, set]) => (set ? [name] : [])))
}

export const networkView: View<Network> = {
  json: (network) => Network.toJson(network),
  name: (network) => network.name,
  columns: [
    { heading: 'NAME', cell: (network) => network.name },
    { heading: 'ID', cell: (network) => shortId(network.uid) },
    { heading: 'VNI', cell: (network) => String(network.vni) },
    { heading: 'SUBNETS', cell: subnets },
    { heading: 'GATEWAYS', cell: gateways, wide: true },
    { heading: 'MTU', cell: (network) => String(network.mtu) },
    { heading: 'ENDPOINTS', cell: endpointCount },
    { heading: 'AGE', cell: (network, now) => ageText(network.createdAt, now) },
    { heading: 'FLAGS', cell: flagsText, wide: true },
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
    ['IP ranges', ofSubnets(network, ({ ipRange }) => ipRange)],
    ['Aux addresses', ofSubnets(network, ({ auxAddresses }) => pairsText(auxAddresses))],
    ['MTU', String(network.mtu)],
    ['Flags', flagsText(network)],
    ['Labels', pairsText(network.labels)],
    ['Options', pairsText(network.options)],
    ['Created', network.createdAt && `${network.createdAt} (${ageText(network.createdAt, now)} ago)`],
    ['Nodes', listText(network.status?.nodes ?? [])],
    ['Endpoints', endpointCount(network)],
    ...(network.status?.warnings ?? []).map((warning) => ['Warning', warning] as const),
  ],
  appendix: (network, now) => [usageText(network, now), endpointsText(network, now)].filter(Boolean).join(''),
  hint: 'no networks yet: make one with "overlayctl create --subnet 10.0.9.0/24 web"',
}

/** What a dry run tells of a new network, without what will be otherwise when it is made. */
export function notYetMade(network: Network): Network {
  return { ...network, uid: '', createdAt: '' }
}

/** With whole ids in tables. */
export const networkViewInFull: View<Network> = {
  ...networkView,
  columns: networkView.columns
    .filter(({ heading }) => heading !== 'UID')
    .map((column) => (column.heading === 'ID' ? { ...column, cell: (network) => network.uid } : column)),
}

/** Which subnet is whose is said above. */
const usageColumns = subnetColumns.filter(({ heading }) => heading !== 'NETWORK')

function usageText({ name, subnets, status }: Network, now: Date): string {
  const shown = (status?.usage ?? []).map((usage: SubnetUsage): ShownSubnet => {
    const subnet = subnets.find(({ cidr }) => cidr === usage.cidr)
    return { network: name, ipRange: subnet?.ipRange ?? '', usage }
  })
  return shown.length > 0 ? `\n${tableText(usageColumns, shown, { now, wide: false })}` : ''
}

/** The first ones, and how to see the others. */
function endpointsText({ name, status }: Network, now: Date): string {
  if (!status || status.endpoints.length === 0) return ''
  const more = status.endpointCount - status.endpoints.length
  const rest =
    more > 0 ? `and ${countText(more, 'more endpoint')}: see "overlayctl endpoint ls --network ${name}"\n` : ''
  return `\n${tableText(endpointView.columns, status.endpoints, { now, wide: false })}${rest}`
}
