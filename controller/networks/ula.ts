/** Unique local IPv6 subnets (RFC 4193), made up for networks that ask for one. */
import { createHash } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { type Cidr, cidrAt, overlaps } from '../../lib/ip.ts'
import type { Taken } from './taken.ts'

/** Subnets in the cluster's /48 (RFC 4193, 3.1: 16 bits of subnet id). */
const subnets = 1 << 16

/**
 * A /64 of the cluster's own /48, whose global id derives from the cluster's uid
 * (RFC 4193, 3.2, asks only that it be pseudo-random). The search starts at a point
 * derived from the network's uid: so a subnet that was freed is not soon another's.
 * @throws OverlayError `exhausted`
 */
export function ulaSubnet(clusterUid: string, networkUid: string, taken: readonly Taken[]): Cidr {
  const globalId = digest(clusterUid).readUIntBE(0, 5)
  const site = cidrAt(6, (0xfdn << 120n) | (BigInt(globalId) << 80n), 48)
  const others = taken.filter(({ cidr }) => overlaps(cidr, site))
  const start = digest(networkUid).readUInt16BE(0)
  for (let n = 0; n < subnets; n++) {
    const first = site.first + (BigInt((start + n) % subnets) << 64n)
    const last = first + (1n << 64n) - 1n
    if (!others.some(({ cidr }) => cidr.first <= last && first <= cidr.last)) return cidrAt(6, first, 64)
  }
  throw new OverlayError(
    'exhausted',
    `no unique local subnet is left in ${site.text}: name an IPv6 subnet (--subnet), or remove networks`,
  )
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
