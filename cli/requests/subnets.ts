/** The subnets of a request, put together from options that each say a part. */
import type { Faults } from '../../lib/faults.ts'
import { type Family, familyOf, isIpText, parseIp, parseIpRange } from '../../lib/ip.ts'
import { quote } from '../../lib/quote.ts'
import type { Init, Subnet } from '../../proto/index.ts'

/** Each as it was written. */
export interface SubnetOptions {
  readonly subnet?: readonly string[]
  readonly gateway?: readonly string[]
  readonly ipRange?: readonly string[]
  /** NAME=ADDRESS. */
  readonly auxAddress?: readonly string[]
}

/** A part of the subnet of its family. */
interface Part {
  readonly family: Family
  readonly text: string
}

const families: readonly Family[] = [4, 6]

/**
 * What belongs to which subnet is told by the family: a network has one subnet
 * of each. Notes what cannot be read, and what has no subnet.
 */
export function subnetsOf(
  faults: Faults,
  { subnet = [], gateway = [], ipRange = [], auxAddress = [] }: SubnetOptions,
): Init<Subnet>[] {
  // Of a subnet that cannot be read nobody knows what belongs to it.
  const known = subnet.every((text) => isIpText(text.split('/')[0] ?? ''))
  const has = (family: Family) => !known || subnet.some((text) => familyOfText(text) === family)
  const once = (field: string, what: string, parts: readonly Part[]) => {
    for (const family of families) {
      const mine = parts.filter((part) => part.family === family).map(({ text }) => text)
      if (mine.length > 0 && !has(family))
        faults.add(`${field}: there is no IPv${family} subnet for ${mine.join(', ')}: give --subnet with it`)
      else if (mine.length > 1)
        faults.add(`${field}: the IPv${family} subnet has one ${what}, not ${mine.join(' and ')}: give one of them`)
    }
    return (family: Family) => parts.find((part) => part.family === family)?.text ?? ''
  }
  const gatewayOf = once('gateway', 'gateway', addressesIn(faults, gateway))
  const rangeOf = once('ipRange', 'range', rangesIn(faults, ipRange))
  const auxOf = auxAddressesOf(faults, auxAddress, has)
  return subnet.map((cidr) => {
    const family = familyOfText(cidr)
    // Of several of one family, which are refused as such, nobody knows what belongs to which.
    if (subnet.filter((text) => familyOfText(text) === family).length > 1) return { cidr }
    return { cidr, gateway: gatewayOf(family), ipRange: rangeOf(family), auxAddresses: auxOf(family) }
  })
}

/** What `update --ip-range` takes beside a range: the families whose range goes. */
export const noRange: { readonly [word: string]: readonly Family[] } = { none: families, none4: [4], none6: [6] }

/** Growth and ranges, by family. Notes what cannot be read, and options that speak of one family twice. */
export function subnetChangesOf(
  faults: Faults,
  { subnet = [], ipRange = [] }: Pick<SubnetOptions, 'subnet' | 'ipRange'>,
): { subnets: Init<Subnet>[]; removeIpRanges: Family[] } {
  const removeIpRanges = families.filter((family) => ipRange.some((text) => noRange[text]?.includes(family)))
  const ranges = ipRange.filter((text) => !Object.hasOwn(noRange, text) && isRange(faults, text))
  const subnets = families.flatMap((family): Init<Subnet>[] => {
    const [cidr, otherSubnet] = subnet.filter((text) => familyOfText(text) === family)
    const [range, otherRange] = ranges.filter((text) => familyOfText(text) === family)
    if (otherSubnet !== undefined)
      faults.add(`subnet: the IPv${family} subnet cannot become both ${cidr} and ${otherSubnet}: give one of them`)
    if (otherRange !== undefined)
      faults.add(`ipRange: the IPv${family} range cannot become both ${range} and ${otherRange}: give one of them`)
    if (cidr === undefined && range === undefined) return []
    checkNotEmpty(faults, cidr)
    return [{ cidr: cidr ?? '', ipRange: range ?? '' }]
  })
  return { subnets, removeIpRanges }
}

function familyOfText(text: string): Family {
  return text.includes(':') ? 6 : 4
}

/** In a request an empty one says that it stays as it is. */
function checkNotEmpty(faults: Faults, cidr: string | undefined): void {
  if (cidr === '') faults.add('subnet: must not be empty')
}

function isRange(faults: Faults, text: string): boolean {
  if (text.includes('/')) return faults.try('ipRange', () => parseIpRange(text)) !== undefined
  faults.add(
    `ipRange: ${quote(text)} is not a range (write ADDRESS/PREFIX, for example 10.0.9.128/25, or none, none4, none6)`,
  )
  return false
}

function addressesIn(faults: Faults, texts: readonly string[]): Part[] {
  return texts.flatMap((text) => {
    const ip = faults.try('gateway', () => parseIp(text))
    return ip === undefined ? [] : [{ family: familyOf(ip), text }]
  })
}

function rangesIn(faults: Faults, texts: readonly string[]): Part[] {
  return texts.flatMap((text) => {
    const range = faults.try('ipRange', () => parseIpRange(text))
    return range ? [{ family: range.family, text }] : []
  })
}

/** By family, and by what they are called. */
function auxAddressesOf(faults: Faults, texts: readonly string[], has: (family: Family) => boolean) {
  const found = new Map<Family, Map<string, string>>(families.map((family) => [family, new Map()]))
  for (const text of texts) {
    const [, name = '', address = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
    if (!name) {
      faults.add(`auxAddresses: ${quote(text)} is not NAME=ADDRESS (for example router=10.0.9.254)`)
      continue
    }
    const ip = faults.try(`auxAddresses: ${name}`, () => parseIp(address))
    if (ip === undefined) continue
    const family = familyOf(ip)
    const mine = found.get(family)
    const before = mine?.get(name)
    if (!has(family)) faults.add(`auxAddresses: there is no IPv${family} subnet for ${text}: give --subnet with it`)
    else if (before !== undefined)
      faults.add(`auxAddresses: ${name}: it is ${before} already, and cannot be ${ip} as well`)
    else mine?.set(name, address)
  }
  return (family: Family) => Object.fromEntries(found.get(family) ?? [])
}
