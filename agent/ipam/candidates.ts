/** Which address to try next. Pure but for a cursor. */
import { createHash } from 'node:crypto'
import { type Cidr, formatIPv4, formatIp, hostRange, type Ip } from '../../lib/ip.ts'

/** One turn over the addresses of a range: each is passed once. */
export interface Candidates {
  /** The next address that `isTaken` does not know as taken; undefined when the turn is over. */
  next(isTaken: (ip: Ip) => boolean): Ip | undefined
  /** Somebody else is at work here: go on elsewhere. What is left here comes last in the turn. */
  jump(): void
}

/** Addresses that follow each other, so that a host's lie together and a jump leads past what others have. */
const runLength = 16
/** What is gone through of a larger range, an IPv6 subnet's for example: more than etcd could hold. */
const mostAddresses = 2 ** 32

/**
 * Goes through the range in short runs, in an order that is derived from the
 * node: two hosts rarely try the same address, and where they do, their ways
 * part at the next run. Addresses of `cidr` that are not for hosts are never given.
 */
export function createCandidates(cidr: Cidr, range: Cidr, node: string): Candidates {
  const hosts = hostRange(cidr)
  const first = hosts.first > range.first ? hosts.first : range.first
  const last = hosts.last < range.last ? hosts.last : range.last
  // Too small a subnet, as /31 and /32 are, has no address for hosts.
  const size = Math.max(0, Math.min(Number(last - first) + 1, mostAddresses))
  const digest = createHash('sha256').update(`${range.text}\0${node}`).digest()
  const origin = digest.readUInt32BE(0) % Math.max(1, size)
  const runs = Math.ceil(size / runLength)
  const stride = coprimeTo(runs, digest.readUInt32BE(4))
  const ipAt =
    cidr.family === 4
      ? (at: number) => formatIPv4(Number(first) + ((origin + at) % size))
      : (at: number) => formatIp(6, first + BigInt((origin + at) % size))

  let begun = 0
  let place = 0
  /** Rests of runs that were jumped out of. */
  const left: Run[] = []
  const nextRun = (): Run | undefined => {
    if (begun === runs) return left.shift()
    const at = place * runLength
    begun++
    place = (place + stride) % runs
    return { at, end: Math.min(at + runLength, size) }
  }
  let run = nextRun()
  return {
    next(isTaken) {
      for (; run; run = nextRun())
        while (run.at < run.end) {
          const ip = ipAt(run.at++)
          if (!isTaken(ip)) return ip
        }
      return undefined
    },
    jump() {
      if (run && run.at < run.end) left.push(run)
      run = nextRun()
    },
  }
}

/** Positions within the range, counted from the node's origin. */
interface Run {
  at: number
  readonly end: number
}

/** A number that shares no divisor with `count`: its multiples visit every remainder once. */
function coprimeTo(count: number, seed: number): number {
  let number = (seed % Math.max(1, count)) + 1
  while (divisor(number, count) > 1) number++
  return number
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}
