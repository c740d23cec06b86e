/** Which VNI and which subnet a new network gets, told from the networks that there are. */
import { OverlayError } from '../../lib/errors.ts'
import { type Cidr, cidrAt, encloses, overlaps } from '../../lib/ip.ts'
import { parseVni, type Vni } from '../../lib/vni.ts'
import type { Taken } from './taken.ts'

/** The VNIs that may be given, both ends included. */
export interface VniRange {
  readonly min: Vni
  readonly max: Vni
}

/** How many overlaps a refusal names. */
const shown = 5

/** Where subnets come from when none is named: all of `size` in `cidr`. */
export interface Pool {
  readonly cidr: Cidr
  /** Prefix length of the subnets. */
  readonly size: number
}

/**
 * The first free VNI from `cursor` on, and where the next search starts. So
 * VNIs go round, and one that was freed comes last: a host that was cut off may
 * still send on it.
 * @throws OverlayError `exhausted`
 */
export function nextVni(
  range: VniRange,
  cursor: number | undefined,
  used: ReadonlySet<number>,
): { vni: Vni; next: Vni } {
  const { min, max } = range
  const after = (vni: number) => (vni >= max ? min : vni + 1)
  let vni: number = cursor !== undefined && cursor >= min && cursor <= max ? cursor : min
  for (let left = max - min; used.has(vni); left--, vni = after(vni))
    if (left <= 0)
      throw new OverlayError(
        'exhausted',
        `all ${max - min + 1} VNIs from ${min} to ${max} are in use: remove networks, or widen --vni-range of the controllers`,
      )
  return { vni: parseVni(vni), next: parseVni(after(vni)) }
}

/**
 * `hosts`: what may be overlapped if it is wanted.
 * @throws OverlayError `failed_precondition` naming everything that the subnets
 * overlap.
 */
export function refuseOverlap(
  subnets: readonly Cidr[],
  { cluster, hosts }: { readonly cluster: readonly Taken[]; readonly hosts: readonly Taken[] },
): void {
  const among = (taken: readonly Taken[]) =>
    subnets.flatMap((cidr) => taken.filter((other) => overlaps(cidr, other.cidr)).map((other) => ({ cidr, other })))
  const fixed = among(cluster)
  const clashes = [...fixed, ...among(hosts)]
  if (clashes.length === 0) return
  const named = clashes
    .slice(0, shown)
    .map(({ cidr, other }) => `subnet ${cidr.text} overlaps ${other.cidr.text} of ${other.by}`)
  const more = clashes.length > shown ? ` (and ${clashes.length - shown} more)` : ''
  const wayOut = fixed.length > 0 ? 'choose another subnet' : 'choose another subnet, or allow it with --allow-overlap'
  throw new OverlayError('failed_precondition', `${named.join('; ')}${more}: ${wayOut}`)
}

/**
 * The first subnet of the pools, in their order, that overlaps nothing.
 * @throws OverlayError `exhausted`
 */
export function freeSubnet(pools: readonly Pool[], taken: readonly Taken[]): Cidr {
  for (const pool of pools) {
    const found = freeIn(pool, taken)
    if (found) return found
  }
  const names = pools.map((pool) => `${pool.cidr.text}:${pool.size}`).join(', ')
  // One larger than a pool leaves nothing of it: that is worth a look.
  const large = taken.find(({ cidr }) => pools.some((pool) => encloses(cidr, pool.cidr)))
  const why = large ? `: ${large.cidr.text} of ${large.by} covers all of one` : ''
  throw new OverlayError(
    'exhausted',
    `no subnet is left in the pools (${names})${why}: name one (--subnet), remove networks, or give the controllers another --pool`,
  )
}

function freeIn({ cidr: pool, size }: Pool, taken: readonly Taken[]): Cidr | undefined {
  const inPool = taken.map(({ cidr }) => cidr).filter((cidr) => overlaps(cidr, pool))
  let candidate = cidrAt(pool.family, pool.first, size)
  for (const other of inPool.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    if (candidate.last < other.first) break
    // The others may overlap one another, where they are not all networks of ours.
    if (other.last < candidate.first) continue
    const beyond = cidrAt(pool.family, other.last, size).last + 1n
    if (beyond > pool.last) return undefined
    candidate = cidrAt(pool.family, beyond, size)
  }
  return candidate
}
