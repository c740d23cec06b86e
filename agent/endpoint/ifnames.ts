/** Which name an interface gets inside its sandbox. */
import { OverlayError } from '../../lib/errors.ts'

/** Until `giveUp` nobody else gets the name. */
export interface HeldIfname {
  readonly ifname: string
  giveUp(): void
}

export interface Ifnames {
  /**
   * Holds the name for an attach to the sandbox with that cookie: the networks'
   * turns run side by side. Empty: `rather`, or else the first of eth0, eth1…,
   * that is neither held nor among `taken`.
   * @throws OverlayError `already_exists` when another attach is at work with it.
   */
  hold(cookie: string, wanted: string, taken: Iterable<string>, rather?: string): HeldIfname
}

export function createIfnames(): Ifnames {
  const heldIn = new Map<string, Set<string>>()
  return {
    hold(cookie, wanted, taken, rather) {
      const held = heldIn.get(cookie) ?? new Set()
      if (held.has(wanted))
        throw new OverlayError(
          'already_exists',
          `another attach is at work on ${wanted} of this sandbox: try again, or choose another --ifname`,
        )
      const ifname = wanted || firstFree(new Set([...taken, ...held]), rather)
      heldIn.set(cookie, held.add(ifname))
      return {
        ifname,
        giveUp() {
          held.delete(ifname)
          if (held.size === 0) heldIn.delete(cookie)
        },
      }
    },
  }
}

function firstFree(taken: ReadonlySet<string>, rather: string | undefined): string {
  if (rather && !taken.has(rather)) return rather
  let n = 0
  while (taken.has(`eth${n}`)) n++
  return `eth${n}`
}
