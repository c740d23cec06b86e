/** How many neighbours the kernel remembers, on all interfaces and in all namespaces together. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../../lib/log.ts'

/**
 * Entries (Linux: Documentation/networking/ip-sysctl.rst). Ours are permanent,
 * and so exempt from collection; this is for the sandboxes' own: the defaults of
 * 128, 512 and 1024 are less than one network may have.
 */
const limits = { gc_thresh1: 8_192, gc_thresh2: 32_768, gc_thresh3: 65_536 } as const

/**
 * Raises the limits of both IP families, never lowers one. Only the initial
 * network namespace has them; where they cannot be written it is logged, and
 * the agent works all the same.
 */
export function raiseNeighbourLimits(log: Logger, root = '/proc/sys/net'): void {
  for (const family of ['ipv4', 'ipv6'])
    for (const [name, entries] of Object.entries(limits)) {
      const path = join(root, family, 'neigh/default', name)
      try {
        if (Number(readFileSync(path, 'utf8')) < entries) writeFileSync(path, String(entries))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
        log.warn({ err: error, path, entries }, 'this limit of the neighbour table cannot be raised')
      }
    }
}
