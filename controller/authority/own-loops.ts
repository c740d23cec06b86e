/** Keeps this host's certificates and authorities as they should be, for as long as the controller runs. */
import { OverlayError } from '../../lib/errors.ts'
import { pause } from '../../lib/retry.ts'
import { firstOf } from '../../lib/signals.ts'
import type { Controller, Init } from '../../proto/index.ts'
import { bringTrustToEtcd } from './etcd-trust.ts'
import { type OwnFiles, renewOwn, trustAuthorities } from './own-certificates.ts'
import { type AuthorityParts, readAuthorities } from './parts.ts'
import { writeTrusts } from './renew.ts'

/** Milliseconds between two looks: also when nobody has told of anything, and after a failure. */
const interval = 60_000
const afterFailure = 5_000
const shortest = 1_000

export interface OwnLoopOptions {
  readonly files: OwnFiles
  readonly candidate: Init<Controller>
  /** Told when the authorities have changed. @returns how to end that. */
  readonly onAuthorities: (listener: () => void) => () => void
  readonly signal: AbortSignal
}

/** Renews certificates when they are due, or the authority that signs is another. */
export async function keepCertificates(parts: AuthorityParts, options: OwnLoopOptions): Promise<void> {
  const { now, log } = parts
  await loop(options, async () => {
    try {
      const due = await renewOwn(parts, options.files)
      return Math.min(Math.max(due - now(), shortest), interval)
    } catch (error) {
      log.warn({ err: OverlayError.from(error) }, "this host's certificates cannot be renewed yet")
      return afterFailure
    }
  })
}

/** Once controller and etcd trust the authorities of the cluster, it says so: a new one becomes active by that. */
export async function keepTrust(parts: AuthorityParts, options: OwnLoopOptions): Promise<void> {
  const { store, self, log } = parts
  const { files, candidate } = options
  await loop(options, async (changed) => {
    try {
      const { value: set } = await readAuthorities(store)
      trustAuthorities(files.tls, set)
      if (files.etcd !== undefined) {
        const etcd = { store, self, log, candidate, directory: files.etcd, tls: files.tls, signal: changed }
        await bringTrustToEtcd(etcd, set)
      }
      const ids = set.authorities.map(({ id }) => id)
      if (!changed.aborted) await writeTrusts(store, self.id, ids)
      return interval
    } catch (error) {
      log.warn({ err: OverlayError.from(error) }, 'this host does not trust the authorities of the cluster yet')
      return afterFailure
    }
  })
}

/** `round` is told by its signal that the authorities have changed, and returns after how many milliseconds it comes again. */
async function loop(
  { onAuthorities, signal }: OwnLoopOptions,
  round: (changed: AbortSignal) => Promise<number>,
): Promise<void> {
  let change = new AbortController()
  const end = onAuthorities(() => change.abort())
  while (!signal.aborted) {
    change = new AbortController()
    const changed = firstOf(signal, change.signal)
    await pause(await round(changed), changed)
    // So that nothing of it is left in the process' own.
    change.abort()
  }
  end()
}
