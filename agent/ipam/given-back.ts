/** Addresses that were given back, the longest ago first: these are handed out when there are no others. */
import type { Ip } from '../../lib/ip.ts'

export interface GivenBack {
  has(ip: Ip): boolean
  /** Given back just now; not to be taken before `notBefore`. */
  note(ip: Ip, notBefore: number): void
  /** The one that was given back the longest ago, if its time has come. What is not free on the way to it is forgotten. */
  take(now: number, isFree: (ip: Ip) => boolean): Ip | undefined
  /** The same by the word of one who knows: whatever its time. */
  takeAny(isFree: (ip: Ip) => boolean): Ip | undefined
}

/** What is beyond that is forgotten, the oldest first: it counts as never used then. */
const mostKept = 65_536

export function createGivenBack(most = mostKept): GivenBack {
  /** In the order in which they were noted. */
  const notBefores = new Map<Ip, number>()
  return {
    has: (ip) => notBefores.has(ip),
    note(ip, notBefore) {
      notBefores.delete(ip)
      notBefores.set(ip, notBefore)
      if (notBefores.size <= most) return
      const [oldest] = notBefores.keys()
      if (oldest !== undefined) notBefores.delete(oldest)
    },
    take(now, isFree) {
      for (const [ip, notBefore] of notBefores) {
        if (notBefore > now) return undefined
        notBefores.delete(ip)
        if (isFree(ip)) return ip
      }
      return undefined
    },
    takeAny(isFree) {
      for (const ip of notBefores.keys()) {
        if (!isFree(ip)) continue
        notBefores.delete(ip)
        return ip
      }
      return undefined
    },
  }
}
