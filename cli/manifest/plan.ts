/** What is to be done for a network of a manifest, told from what there is. */
import { type Cidr, encloses, type Family, type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import type { CreateNetworkRequest, Init, Network, Subnet, UpdateNetworkRequest } from '../../proto/index.ts'
import type { WantedNetwork, WantedSubnet } from './schema.ts'

export type Step =
  | { readonly kind: 'create'; readonly request: Init<CreateNetworkRequest> }
  | { readonly kind: 'update'; readonly present: Network; readonly request: Init<UpdateNetworkRequest> }
  | { readonly kind: 'unchanged'; readonly present: Network }
  /** It cannot become so: every reason, the field first. */
  | { readonly kind: 'refused'; readonly faults: readonly string[] }

/** What a manifest does not name stays as it is; labels and options that it names are the whole. */
export function planStep(wanted: WantedNetwork, present: Network | undefined): Step {
  if (!present) return { kind: 'create', request: creationOf(wanted) }
  const faults = [...fixedFaults(wanted, present), ...familyFaults(wanted, present)]
  const request = changesOf(wanted, present, faults)
  if (faults.length > 0) return { kind: 'refused', faults }
  if (Object.keys(request).length === 0) return { kind: 'unchanged', present }
  return { kind: 'update', present, request: { name: present.name, ...request } }
}

/** The request that makes a network as it is described. */
export function creationOf(wanted: WantedNetwork): Init<CreateNetworkRequest> {
  const { subnets = [], labels, options, ...rest } = wanted
  return {
    ...withoutUndefined(rest),
    subnets: subnets.map(({ cidr, gateway = '', ipRange, auxAddresses = {} }) => ({
      cidr: cidr.text,
      gateway,
      ipRange: rangeText(ipRange) ?? '',
      auxAddresses,
    })),
    labels: labels ?? {},
    options: options ?? {},
  }
}

/** What a network is made with and keeps. */
const fixed = ['vni', 'internal', 'multicast', 'eager'] as const

function fixedFaults(wanted: WantedNetwork, present: Network): string[] {
  const faults = fixed
    .filter((field) => wanted[field] !== undefined && wanted[field] !== present[field])
    .map((field) => `${field}: is ${present[field]} and cannot become ${wanted[field]}`)
  // That later conflicts are no matter was said for good.
  if (wanted.allowOverlap === false && present.allowOverlap)
    faults.push('allowOverlap: is true and cannot become false')
  return faults
}

/** Subnets that a network has and the manifest lacks, or the reverse. */
function familyFaults({ subnets, ipv6 }: WantedNetwork, present: Network): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const has = ofFamily(present.subnets, family)
    const named = subnets?.some(({ cidr }) => cidr.family === family) ?? false
    const madeUp = family === 6 && ipv6 === true
    if (!has && (named || madeUp))
      return [`${named ? 'subnets' : 'ipv6'}: there is no IPv${family} subnet, and none can be added`]
    if (has && !named && !madeUp && subnets)
      return [`subnets: ${has.cidr} is missing in the manifest, and a subnet cannot be taken away`]
    return []
  })
}

/** The fields of the request; adds to `faults` what cannot become so. */
function changesOf(wanted: WantedNetwork, present: Network, faults: string[]): Init<UpdateNetworkRequest> {
  const labels = mapChange(wanted.labels, present.labels)
  const options = mapChange(wanted.options, present.options)
  const pairs = (wanted.subnets ?? []).flatMap((subnet) => {
    const before = ofFamily(present.subnets, subnet.cidr.family)
    return before ? [{ subnet, before }] : []
  })
  for (const { subnet, before } of pairs) faults.push(...subnetFaults(subnet, before))
  const subnets = pairs.flatMap(({ subnet, before }) => subnetChange(subnet, before) ?? [])
  const removeIpRanges = pairs
    .filter(({ subnet, before }) => subnet.ipRange === 'none' && before.ipRange !== '')
    .map(({ subnet }) => subnet.cidr.family)
  return {
    ...(labels.set && { labels: labels.set }),
    ...(labels.remove && { removeLabels: labels.remove }),
    ...(options.set && { options: options.set }),
    ...(options.remove && { removeOptions: options.remove }),
    ...(wanted.mtu !== undefined && wanted.mtu !== present.mtu && { mtu: wanted.mtu }),
    ...(subnets.length > 0 && { subnets }),
    ...(removeIpRanges.length > 0 && { removeIpRanges }),
    ...(wanted.allowOverlap && !present.allowOverlap && { allowOverlap: true }),
  }
}

function subnetFaults({ cidr, gateway, auxAddresses }: WantedSubnet, before: Subnet): string[] {
  const faults: string[] = []
  if (!encloses(cidr, parseCidr(before.cidr)))
    faults.push(`subnets: ${before.cidr} can only grow, and ${cidr.text} does not contain it`)
  if (gateway !== undefined && gateway !== canonical(before.gateway))
    faults.push(`subnets: the gateway of ${before.cidr} is ${before.gateway} and cannot become ${gateway}`)
  if (auxAddresses && auxText(auxAddresses) !== auxText(before.auxAddresses))
    faults.push(
      `subnets: the auxiliary addresses of ${before.cidr} are ${auxText(before.auxAddresses)} and cannot become ${auxText(auxAddresses)}`,
    )
  return faults
}

function subnetChange({ cidr, ipRange }: WantedSubnet, before: Subnet): Init<Subnet> | undefined {
  const grown = cidr.text === parseCidr(before.cidr).text ? undefined : cidr.text
  const range = rangeText(ipRange)
  const moved = range && range !== before.ipRange ? range : undefined
  return grown || moved ? { cidr: grown ?? '', ipRange: moved ?? '' } : undefined
}

type Pairs = { readonly [key: string]: string }

function mapChange(wanted: Pairs | undefined, present: Pairs): { set?: { [key: string]: string }; remove?: string[] } {
  if (!wanted) return {}
  const set = Object.entries(wanted).filter(([key, value]) => !Object.hasOwn(present, key) || present[key] !== value)
  const remove = Object.keys(present).filter((key) => !Object.hasOwn(wanted, key))
  return {
    ...(set.length > 0 && { set: Object.fromEntries(set) }),
    ...(remove.length > 0 && { remove: remove.toSorted() }),
  }
}

function ofFamily(subnets: readonly Subnet[], family: Family): Subnet | undefined {
  return subnets.find(({ cidr }) => cidr.includes(':') === (family === 6))
}

function rangeText(range: Cidr | 'none' | undefined): string | undefined {
  return range === undefined || range === 'none' ? undefined : range.text
}

function canonical(address: string): Ip | undefined {
  return address === '' ? undefined : parseIp(address)
}

/** By name: equal text, equal addresses. */
function auxText(addresses: Pairs): string {
  const pairs = Object.entries(addresses).map(([name, address]) => `${name}=${canonical(address) ?? ''}`)
  return pairs.toSorted().join(',') || 'none'
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
