/** Bounds how often tokens may be guessed. */
import { OverlayError } from '../../lib/errors.ts'
import { overloaded } from '../../lib/overload.ts'

/** Failures within a minute, of one address and of all together. */
const mostOfOne = 10
const mostOfAll = 300
const span = 60_000

export interface Attempts {
  /** @throws OverlayError `unavailable`, with when to come back, after too many failures. */
  check(peer: string): void
  failed(peer: string): void
}

/** `now` is a clock, in milliseconds. */
export function countAttempts(now: () => number): Attempts {
  // In the order of time, and never more than `mostOfAll`: what is refused is not counted.
  let failures: { readonly at: number; readonly host: string }[] = []
  return {
    check(peer) {
      failures = failures.filter(({ at }) => at > now() - span)
      const host = hostOf(peer)
      if (failures.filter((failure) => failure.host === host).length >= mostOfOne)
        throw overloaded(`${mostOfOne} wrong tokens have come from ${host} within a minute`)
      if (failures.length >= mostOfAll) throw overloaded(`${mostOfAll} wrong tokens have come within a minute`)
    },
    failed(peer) {
      failures.push({ at: now(), host: hostOf(peer) })
    },
  }
}

/** Of `192.0.2.1:443` and `[2001:db8::1]:443`, as grpc-js tells a peer. */
function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, '')
}

/** One message for all that is wrong with a token, so that none tells which ids there are. */
export function wrongToken(): OverlayError {
  return new OverlayError(
    'unauthenticated',
    'this token is not known here: it was removed, has expired long ago, or is of another cluster; "overlayctl cluster token create" makes a new one',
  )
}
