/** What a request for a network asks for, checked as far as the request alone tells. */
import { Faults } from '../../lib/faults.ts'
import {
  type Cidr,
  contains,
  formatIp,
  hostRange,
  type Ip,
  ipValue,
  overlaps,
  parseCidr,
  parseIp,
} from '../../lib/ip.ts'
import { checkLabels } from '../../lib/labels.ts'
import { parseName } from '../../lib/names.ts'
import type { CreateNetworkRequest, Subnet } from '../../proto/index.ts'
import { largestMtu, smallestMtu } from './mtu.ts'

export interface SubnetPlan {
  readonly cidr: Cidr
  readonly gateway: Ip
}

/** A request that has no fault of its own. */
export interface NetworkWish {
  /** Undefined: one is to be made up. */
  readonly name: string | undefined
  /** Empty: one is to be taken from the pools. */
  readonly subnets: readonly SubnetPlan[]
  /** Bytes; undefined: from the nodes' underlays. */
  readonly mtu: number | undefined
  readonly labels: { readonly [key: string]: string }
  readonly options: { readonly [key: string]: string }
}

/** IANA's special-purpose registries (RFC 6890): what no network of ours may use. */
const reserved = [
  ['0.0.0.0/8', 'this host'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved and broadcast'],
  ['::/8', 'unspecified, loopback and IPv4-mapped'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
].map(([text, use]) => ({ cidr: parseCidr(text as string), use }))

/** Prefix lengths: the largest subnet is no typing error, the smallest has a gateway and an endpoint. */
const prefixes = { 4: { from: 8, to: 30 }, 6: { from: 64, to: 126 } } as const

/** @throws OverlayError `invalid` with every fault of the request. */
export function validateCreate(request: CreateNetworkRequest): NetworkWish {
  const faults = new Faults()
  const name = request.name === '' ? undefined : faults.try('name', () => parseName(request.name))
  const subnets = request.subnets.slice(0, 2).flatMap((subnet) => checkSubnet(faults, subnet) ?? [])
  if (request.subnets.length > 2 || sameFamily(subnets))
    faults.add('subnets: a network takes at most one IPv4 and one IPv6 subnet')
  const least = smallestMtu(subnets)
  if (request.mtu !== 0 && (request.mtu < least || request.mtu > largestMtu))
    faults.add(
      `mtu: ${request.mtu} is out of range: ${least}${least === 1280 ? ' (what IPv6 needs)' : ''} to ${largestMtu}`,
    )
  checkLabels(faults, 'labels', request.labels)
  checkLabels(faults, 'options', request.options)
  faults.throwIfAny()
  return { name, subnets, mtu: request.mtu || undefined, labels: request.labels, options: request.options }
}

/** The gateway of a subnet for which none was named: its first address. */
export function defaultGateway(cidr: Cidr): Ip {
  return formatIp(cidr.family, hostRange(cidr).first)
}

/** Why the subnet can carry no network; undefined when it can. */
export function subnetFault(cidr: Cidr): string | undefined {
  const { from, to } = prefixes[cidr.family]
  if (cidr.prefix < from) return `${cidr.text} is too large (at most /${from})`
  if (cidr.prefix > to)
    return `${cidr.text} is too small for a gateway and an endpoint (at least /${to} in IPv${cidr.family})`
  const clash = reserved.find((range) => overlaps(range.cidr, cidr))
  return clash && `${cidr.text} is in ${clash.cidr.text}, which is reserved (${clash.use})`
}

function checkSubnet(faults: Faults, { cidr: text, gateway }: Subnet): SubnetPlan | undefined {
  const cidr = faults.try('subnet', () => parseCidr(text))
  const named = gateway === '' ? undefined : faults.try('gateway', () => parseIp(gateway))
  if (!cidr) return undefined
  const fault = subnetFault(cidr)
  if (fault) {
    faults.add(`subnet: ${fault}`)
    return undefined
  }
  if (named) checkGateway(faults, cidr, named)
  return { cidr, gateway: named ?? defaultGateway(cidr) }
}

function checkGateway(faults: Faults, cidr: Cidr, gateway: Ip): void {
  if (!contains(cidr, gateway)) return faults.add(`gateway: ${gateway} is not in ${cidr.text}`)
  const { first, last } = hostRange(cidr)
  const value = ipValue(gateway)
  if (value < first) faults.add(`gateway: ${gateway} is the address of the subnet ${cidr.text} itself`)
  if (value > last) faults.add(`gateway: ${gateway} is the broadcast address of ${cidr.text}`)
}

function sameFamily([a, b]: readonly SubnetPlan[]): boolean {
  return a !== undefined && b !== undefined && a.cidr.family === b.cidr.family
}
