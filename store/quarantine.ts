/** The lease on which released addresses rest: one for many, renewed in time. */
import type { Ip } from '../lib/ip.ts'
import { type Lease, put, type Store, type Write } from './store.ts'

/** An address rests at least this long, in seconds. */
export const quarantineSeconds = 60
/** How much longer a lease lives, and so for how long it can be given to new releases. */
const reuseSeconds = 20
/** No address rests longer, in milliseconds. */
export const longestRest = (quarantineSeconds + reuseSeconds) * 1000

export interface Quarantine {
  /** A lease that has at least the quarantine's time to live, and when it ends at the latest. */
  lease(): Promise<Rest>
  /** The lease is gone, as a refused transaction told: it is not given out again. */
  forget(rest: Rest): void
}

export interface Rest {
  readonly lease: Lease
  readonly freeAt: Date
}

/** Puts an address into quarantine; belongs into the transaction that releases it. */
export function putToRest(keys: Store['keys'], network: string, ip: Ip, node: string, { lease, freeAt }: Rest): Write {
  return put(keys.releasedAddress(network, ip), { node, freeAt: freeAt.toISOString() }, { lease })
}

/** `now` is a monotonic clock in milliseconds. */
export function createQuarantine(store: Pick<Store, 'grantLease'>, now: () => number): Quarantine {
  let current: { lease: Lease; granted: number; freeAt: Date } | undefined
  /** Who asks while one is on its way takes the same. */
  let granting: Promise<Rest> | undefined
  const grant = async () => {
    // Time counts from before the request, so that the lease is never shorter than believed.
    const granted = now()
    const ttl = quarantineSeconds + reuseSeconds
    const lease = await store.grantLease(ttl, { keepAlive: false })
    current = { lease, granted, freeAt: new Date(Date.now() + ttl * 1000) }
    return current
  }
  return {
    async lease() {
      if (current && now() - current.granted < reuseSeconds * 1000) return current
      granting ??= grant().finally(() => {
        granting = undefined
      })
      return granting
    },
    forget({ lease }) {
      if (current?.lease === lease) current = undefined
    },
  }
}
