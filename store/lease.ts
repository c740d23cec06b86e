/** Leases: granted, kept alive, and lost by our own monotonic clock. */

import { hasCode, OverlayError } from '../lib/errors.ts'
import { delayBefore, pause } from '../lib/retry.ts'
import { firstOf } from '../lib/signals.ts'
import { leaseGrant, leaseKeepAlive, leaseRevoke } from './etcd-api.ts'
import type { Members } from './members.ts'
import type { Lease } from './store.ts'

const repeat = { first: 50, most: 1_000 }

/**
 * Grants a lease and, unless told otherwise, keeps it alive. It is lost when etcd says so, or once its
 * TTL has passed since the last keepalive that was answered was sent: etcd
 * cannot count from earlier, so that nobody else owns its keys before.
 * @throws OverlayError `unavailable`
 */
export async function grantLease(
  members: Members,
  ttlSeconds: number,
  { keepAlive, closed }: { readonly keepAlive: boolean; readonly closed: AbortSignal },
): Promise<Lease> {
  const asked = performance.now()
  const { ID: id, TTL } = await members.read(leaseGrant, { TTL: ttlSeconds })
  const lost = new AbortController()
  const done = new AbortController()
  const ended = firstOf(closed, lost.signal, done.signal)
  const lose = (why: string) => {
    if (ended.aborted) return
    lost.abort(new OverlayError('unavailable', `the lease of ${TTL} s in the store is lost: ${why}`))
    done.abort()
  }

  let expiry: NodeJS.Timeout
  const expireAfter = (since: number, seconds: string) => {
    clearTimeout(expiry)
    const left = since + Number(seconds) * 1000 - performance.now()
    expiry = setTimeout(() => lose('it was not renewed in time'), left)
    expiry.unref()
  }
  expireAfter(asked, TTL)
  ended.addEventListener('abort', () => clearTimeout(expiry), { once: true })
  closed.addEventListener('abort', () => lost.abort(new OverlayError('unavailable', 'the store is closed')), {
    once: true,
    signal: done.signal,
  })

  const renew = async () => {
    let sent = asked
    for (let failures = 0; !ended.aborted; ) {
      // From the last renewal's sending on: a slow answer takes nothing of the lease's time.
      const untilDue = sent + (Number(TTL) * 1000) / 3 - performance.now()
      await pause(failures === 0 ? Math.max(0, untilDue) : delayBefore(failures - 1, repeat), ended)
      if (ended.aborted) return
      sent = performance.now()
      try {
        const answer = await members.ask(leaseKeepAlive, { ID: id })
        if (answer.TTL === '0') return lose('etcd let it expire')
        if (!ended.aborted) expireAfter(sent, answer.TTL)
        failures = 0
      } catch {
        // Until its time is over there is hope.
        failures++
      }
    }
  }
  if (keepAlive) void renew()

  return {
    id,
    lost: lost.signal,
    async revoke() {
      done.abort()
      // Also when it is lost by our clock: by etcd's, which gives more after a restart, it may live.
      await members.read(leaseRevoke, { ID: id }).catch((error: unknown) => {
        // Gone already, says etcd.
        if (!hasCode(error, 'conflict')) throw error
      })
    },
  }
}
