/** The error of a subnet that has no address left to be chosen. */
import { OverlayError } from '../../lib/errors.ts'
import { cidrAt, contains, type Ip } from '../../lib/ip.ts'
import type { SubnetView } from '../state/view.ts'

export interface RestingAddress {
  readonly address: Ip
  /** RFC 3339. */
  readonly freeAt: string
}

/** Says what has all the addresses, when the next one is free, and what can be done. `owned`: what the store has an owner of. */
export function exhausted(
  network: string,
  subnet: SubnetView,
  owned: Iterable<Ip>,
  resting: readonly RestingAddress[],
): OverlayError {
  const { cidr, ipRange, gateway, aux } = subnet
  const within = ipRange ?? cidr
  const isReserved = (ip: Ip) => ip === gateway || aux.has(ip)
  const reserved = [...new Set([gateway, ...aux])].filter((ip) => contains(within, ip)).length
  const used = [...owned].filter((ip) => contains(within, ip) && !isReserved(ip)).length
  const quarantined = resting.filter(({ address }) => contains(within, address))
  const next = quarantined.map(({ freeAt }) => freeAt).toSorted()[0]
  return new OverlayError(
    'exhausted',
    [
      `${network} has no free address left in ${within.text} (${used} used, ${reserved} reserved, ${quarantined.length} in quarantine)`,
      ...(next ? [`the next one is free at ${next}`] : []),
      wayOut(network, subnet),
    ].join('; '),
  )
}

function wayOut(network: string, { cidr, ipRange }: SubnetView): string {
  const isPart = ipRange !== undefined && ipRange.prefix > cidr.prefix
  const { family, first, prefix } = isPart ? ipRange : cidr
  const twice = cidrAt(family, first, Math.max(0, prefix - 1)).text
  return isPart
    ? `detach what is not needed, widen the range (for example "overlayctl update ${network} --ip-range ${twice}"), or ask for an address of ${cidr.text} outside the range (--ip)`
    : `detach what is not needed, or grow the network (for example "overlayctl update ${network} --subnet ${twice}")`
}
