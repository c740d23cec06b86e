/**
 * What a request to change a network asks for, checked as far as the request
 * alone tells: by overlayctl before it asks, and by the controller, whoever asks.
 */
import type { Subnet, UpdateNetworkRequest } from '../../proto/index.ts'
import type { Faults } from '../faults.ts'
import { type Cidr, type Family, familyOf, type Ip, parseCidr, parseIp } from '../ip.ts'
import { checkLabels } from '../labels.ts'
import { quote, shorten } from '../quote.ts'
import { checkMtu, ipv4Mtu } from './mtu.ts'
import { checkOptions } from './options.ts'
import { isWithin, parseAux, parseRange, subnetFault } from './subnets.ts'

/** What is given for the subnet of one family. */
export interface SubnetChange {
  readonly family: Family
  /** To grow into. */
  readonly cidr: Cidr | undefined
  readonly ipRange: Cidr | undefined
  /** These two only to be confirmed. */
  readonly gateway: Ip | undefined
  readonly auxAddresses: { readonly [name: string]: Ip }
}

/** A request whose parts can be read. */
export interface UpdateWish {
  readonly request: UpdateNetworkRequest
  readonly changes: readonly SubnetChange[]
  /** Families whose range is removed. */
  readonly noRange: readonly Family[]
}

/** A network has two subnets: of a list that is much longer the rest is not looked at. */
const mostChecked = 8

/** Notes what is wrong with the request by itself; the wish is without it then. */
export function readUpdate(faults: Faults, request: UpdateNetworkRequest): UpdateWish {
  checkLabels(faults, 'labels', request.labels)
  checkOptions(faults, request.options)
  for (const [field, given, removed] of [
    ['labels', request.labels, request.removeLabels],
    ['options', request.options, request.removeOptions],
  ] as const)
    for (const key of new Set(removed.filter((key) => Object.hasOwn(given, key))))
      faults.add(`${field}: ${quote(key)} is both set and removed: do one of the two`)
  // What IPv6 needs is known with the network's families.
  if (request.mtu !== 0) checkMtu(faults, request.mtu, ipv4Mtu)
  if (request.subnets.length > mostChecked)
    faults.add(`subnets: ${request.subnets.length} are too many: give at most one of each family`)
  const changes = request.subnets.slice(0, mostChecked).flatMap((subnet) => readSubnetChange(faults, subnet) ?? [])
  const noRange = request.removeIpRanges.filter((family) => family === 4 || family === 6)
  for (const family of new Set(request.removeIpRanges.filter((family) => family !== 4 && family !== 6)))
    faults.add(`removeIpRanges: ${family} is no family: give 4 or 6`)
  checkOnce(faults, changes, noRange)
  return { request, changes, noRange }
}

/** Notes what is asked of one family in two ways. */
function checkOnce(faults: Faults, changes: readonly SubnetChange[], noRange: readonly Family[]): void {
  for (const family of new Set(changes.map((change) => change.family))) {
    const mine = changes.filter((change) => change.family === family)
    if (mine.length > 1) faults.add(`subnets: IPv${family} is given ${mine.length} times: give each family once`)
    if (noRange.includes(family) && mine.some(({ ipRange }) => ipRange))
      faults.add(`ipRange: that of IPv${family} is both given and removed: do one of the two`)
  }
}

/** Undefined when it has faults, which have been noted then. */
function readSubnetChange(faults: Faults, given: Subnet): SubnetChange | undefined {
  const cidr = given.cidr === '' ? undefined : faults.try('subnet', () => parseCidr(given.cidr))
  const ipRange = parseRange(faults, given.ipRange)
  const gateway = given.gateway === '' ? undefined : faults.try('gateway', () => parseIp(given.gateway))
  const auxAddresses = parseAux(faults, given.auxAddresses)
  const ips = [...(gateway ? [gateway] : []), ...Object.values(auxAddresses)]
  const families = new Set([cidr, ipRange].flatMap((one) => one?.family ?? []).concat(ips.map(familyOf)))
  const [family, ...others] = families
  if (family !== undefined && others.length === 0)
    return { family, ...checkedGrowth(faults, cidr, ipRange), gateway, auxAddresses }
  const texts = [given.cidr, given.ipRange, given.gateway, ...Object.values(given.auxAddresses)].filter(Boolean)
  if (others.length > 0)
    faults.add(
      `subnets: ${texts
        .slice(0, 4)
        .map((text) => shorten(text))
        .join(', ')} are of both families: give each family apart`,
    )
  else if (texts.length === 0) faults.add('subnets: one of them is empty: name what it grows to, or its ipRange')
  return undefined
}

/** Without what no network can have, which is noted. */
function checkedGrowth(faults: Faults, cidr: Cidr | undefined, ipRange: Cidr | undefined) {
  const fault = cidr && subnetFault(cidr)
  if (fault) faults.add(`subnet: ${fault}`)
  const possible = !cidr || !ipRange || isWithin(faults, ipRange, cidr)
  return { cidr: fault ? undefined : cidr, ipRange: possible ? ipRange : undefined }
}
