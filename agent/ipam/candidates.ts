/**
 * Which address to try next. Pure but for a cursor: each search goes on where
 * the last one ended, so that addresses that were given back come last.
 */
import { createHash } from 'node:crypto'
import { type Cidr, formatIp, hostRange, type Ip } from '../../lib/ip.ts'

export interface Candidates {
  /**
   * The next address that `isTaken` does not know as taken; undefined when a
   * whole turn found none within `limit` addresses.
   */
  next(isTaken: (ip: Ip) => boolean, limit?: number): Ip | undefined
}

/**
 * Starts at a point derived from the node, so that two hosts rarely try the same
 * address. Network, broadcast and subnet-router addresses are never given.
 */
export function createCandidates(cidr: Cidr, node: string): Candidates {
  const { first, last } = hostRange(cidr)
  const size = last - first + 1n
  // Too small a subnet, as /31 and /32 are, has no address for hosts.
  if (size < 1n) return { next: () => undefined }
  const digest = createHash('sha256').update(`${cidr.text}\0${node}`).digest()
  let offset = digest.readBigUInt64BE() % size
  return {
    next(isTaken, limit = 1 << 20) {
      const turn = size < BigInt(limit) ? Number(size) : limit
      for (let tried = 0; tried < turn; tried++) {
        const ip = formatIp(cidr.family, first + offset)
        offset = (offset + 1n) % size
        if (!isTaken(ip)) return ip
      }
      return undefined
    },
  }
}
