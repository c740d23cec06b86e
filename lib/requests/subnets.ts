/** Subnets of networks: what one may be, and what may lie in it. */
import type { Subnet } from '../../proto/index.ts'
import type { Faults } from '../faults.ts'
import {
  type Cidr,
  choiceRange,
  cidrAt,
  contains,
  encloses,
  familyOf,
  formatIp,
  hostRange,
  type Ip,
  ipValue,
  overlaps,
  parseCidr,
  parseIp,
  parseIpRange,
} from '../ip.ts'
import { parseName } from '../names.ts'
import { shorten } from '../quote.ts'

/** A subnet without a fault of its own. */
export interface SubnetPlan {
  readonly cidr: Cidr
  readonly gateway: Ip
  /** Where addresses are chosen from; undefined: the whole subnet. */
  readonly ipRange: Cidr | undefined
  /** By name. */
  readonly auxAddresses: { readonly [name: string]: Ip }
}

/** Auxiliary addresses of a network, of both families together: they are written in its transaction. */
export const mostAuxAddresses = 32

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
] as const

/** Prefix lengths: the largest subnet is no typing error, the smallest has a gateway and an endpoint. */
const prefixes = { 4: { from: 8, to: 30 }, 6: { from: 48, to: 126 } } as const

const examples = { 4: '10.0.9.0/24', 6: 'fd00:9::/64' } as const

/** The gateway of a subnet for which none was named: its first address. */
export function defaultGateway(cidr: Cidr): Ip {
  return formatIp(cidr.family, hostRange(cidr).first)
}

/** Why the subnet can carry no network, and what could; undefined when it can. */
export function subnetFault(cidr: Cidr): string | undefined {
  const { from, to } = prefixes[cidr.family]
  const clash = reserved.find(([text]) => overlaps(parseCidr(text), cidr))
  const of = (prefix: number) => (clash ? examples[cidr.family] : cidrAt(cidr.family, cidr.first, prefix).text)
  if (cidr.prefix < from) return `${cidr.text} is too large (at most /${from}): name one such as ${of(from)}`
  if (cidr.prefix > to)
    return `${cidr.text} is too small for a gateway and an endpoint (at least /${to} in IPv${cidr.family}): name one such as ${of(to)}`
  if (!clash) return undefined
  const [text, use] = clash
  return `${cidr.text} is in ${text}, which is reserved (${use}): name one of private addresses, such as ${examples[cidr.family]}`
}

/** A subnet as a request names it; undefined when it has faults, which have been noted then. */
export function checkSubnet(faults: Faults, subnet: Subnet): SubnetPlan | undefined {
  const cidr = faults.try('subnet', () => parseCidr(subnet.cidr))
  const named = subnet.gateway === '' ? undefined : faults.try('gateway', () => parseIp(subnet.gateway))
  const ipRange = parseRange(faults, subnet.ipRange)
  const auxAddresses = parseAux(faults, subnet.auxAddresses)
  const fault = cidr && subnetFault(cidr)
  if (fault) faults.add(`subnet: ${fault}`)
  if (!cidr || fault) return undefined
  if (named) checkHost(faults, 'gateway', named, cidr)
  const plan = { cidr, gateway: named ?? defaultGateway(cidr), ipRange, auxAddresses }
  checkAux(faults, plan, named === undefined)
  checkRange(faults, plan)
  return plan
}

/** Undefined when there is none, or it cannot be read, which is noted. */
export function parseRange(faults: Faults, text: string): Cidr | undefined {
  return text === '' ? undefined : faults.try('ipRange', () => parseIpRange(text))
}

/** Notes it when the range is not in its subnet, or what it leaves has no address for an endpoint. */
export function checkRange(faults: Faults, { cidr, gateway, ipRange, auxAddresses }: SubnetPlan): void {
  if (ipRange && !isWithin(faults, ipRange, cidr)) return
  const { first, last } = choiceRange(cidr, ipRange)
  const others = new Set([gateway, ...Object.values(auxAddresses)].map(ipValue))
  const taken = [...others].filter((value) => first <= value && value <= last)
  if (last - first + 1n > BigInt(taken.length)) return
  const field = ipRange ? `ipRange: ${ipRange.text}` : `subnet: ${cidr.text}`
  faults.add(`${field} has no address for an endpoint beside gateway and auxiliary addresses: make it larger`)
}

/** Notes it when the range is not in the subnet. */
export function isWithin(faults: Faults, ipRange: Cidr, cidr: Cidr): boolean {
  const within = encloses(cidr, ipRange)
  if (!within) faults.add(`ipRange: ${ipRange.text} is not in ${cidr.text}: name a part of it`)
  return within
}

/** Those that are well-formed; what is wrong with the others is noted. */
export function parseAux(faults: Faults, named: Subnet['auxAddresses']): SubnetPlan['auxAddresses'] {
  const parsed = Object.entries(named)
    .slice(0, mostAuxAddresses)
    .map(([name, text]) => {
      faults.try('auxAddresses', () => parseName(name))
      return [name, faults.try(`auxAddresses: ${shorten(name)}`, () => parseIp(text))] as const
    })
  return Object.fromEntries(parsed.flatMap(([name, ip]) => (ip === undefined ? [] : [[name, ip]])))
}

function checkAux(faults: Faults, { cidr, gateway, auxAddresses }: SubnetPlan, byDefault: boolean): void {
  const holders = new Map<Ip, string>([[gateway, 'the gateway']])
  for (const [name, ip] of Object.entries(auxAddresses)) {
    checkHost(faults, `auxAddresses: ${shorten(name)}`, ip, cidr)
    const holder = holders.get(ip)
    const wayOut =
      ip === gateway && byDefault ? 'choose another address, or name another gateway' : 'choose another address'
    if (holder) faults.add(`auxAddresses: ${shorten(name)}: ${ip} is ${holder} already: ${wayOut}`)
    else holders.set(ip, `that of ${shorten(name)}`)
  }
}

/** Notes it when no host of the subnet can have the address. */
function checkHost(faults: Faults, field: string, ip: Ip, cidr: Cidr): void {
  const { first, last } = hostRange(cidr)
  const choice = `: name one from ${formatIp(cidr.family, first)} to ${formatIp(cidr.family, last)}`
  if (!contains(cidr, ip)) {
    const family = familyOf(ip) === cidr.family ? '' : `, which is IPv${cidr.family}`
    faults.add(`${field}: ${ip} is not in ${cidr.text}${family}${choice}`)
  } else if (ipValue(ip) < first)
    faults.add(`${field}: ${ip} is the address of the subnet ${cidr.text} itself${choice}`)
  else if (ipValue(ip) > last) faults.add(`${field}: ${ip} is the broadcast address of ${cidr.text}${choice}`)
}
