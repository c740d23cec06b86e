/** How many neighbours the kernel remembers, on all interfaces and in all namespaces together. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../../lib/log.ts'
import type { Difference } from '../state/item.ts'

/**
 * Entries (Linux: Documentation/networking/ip-sysctl.rst). Ours are permanent,
 * and so exempt from collection; this is for the sandboxes' own: the defaults of
 * 128, 512 and 1024 are less than one network may have.
 */
const limits = { gc_thresh1: 8_192, gc_thresh2: 32_768, gc_thresh3: 65_536 } as const

export interface NeighbourLimits {
  /** Those that are lower, unless they could not be raised before. */
  faults(): Difference[]
  /** Never lowers one. */
  raise(): void
}

/**
 * The limits of both IP families. Only the initial network namespace has them;
 * where they cannot be written it is logged, and the agent works all the same.
 */
export function neighbourLimits(log: Logger, root = '/proc/sys/net'): NeighbourLimits {
  const refused = new Set<string>()

  function refuse(error: unknown, path: string, entries: number): void {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    refused.add(path)
    log.warn({ err: error, path, entries }, 'this limit of the neighbour table cannot be raised')
  }

  function lower() {
    return ['ipv4', 'ipv6'].flatMap((family) =>
      Object.entries(limits).flatMap(([name, entries]) => {
        const path = join(root, family, 'neigh/default', name)
        if (refused.has(path)) return []
        try {
          const found = readFileSync(path, 'utf8').trim()
          return Number(found) < entries ? [{ path, what: `net.${family}.neigh.default.${name}`, entries, found }] : []
        } catch (error) {
          refuse(error, path, entries)
          return []
        }
      }),
    )
  }

  return {
    faults: () => lower().map(({ what, entries, found }) => ({ what, wanted: String(entries), found })),
    raise() {
      for (const { path, entries } of lower()) {
        try {
          writeFileSync(path, String(entries))
        } catch (error) {
          refuse(error, path, entries)
        }
      }
    },
  }
}
