/** Files of TLS that somebody else replaces: of an authority, or for an etcd, that is not the cluster's own. */
import { OverlayError } from './errors.ts'
import type { Logger } from './log.ts'
import { pause } from './retry.ts'
import type { Tls } from './tls.ts'

/** Milliseconds between looks. */
const lookInterval = 60_000

/** Reads them again, now and then, until the signal aborts; while they do not fit, the former ones stay in use. */
export function rereadFiles(tls: Tls, signal: AbortSignal, log: Logger, interval = lookInterval): void {
  const look = async () => {
    for (await pause(interval, signal); !signal.aborted; await pause(interval, signal))
      try {
        if (tls.reload()) log.info({ files: tls.files }, 'certificates were replaced')
      } catch (error) {
        log.warn({ err: OverlayError.from(error) }, 'certificates cannot be used: the former ones stay in use')
      }
  }
  look().catch((error: unknown) => log.error({ err: error }, 'certificates are read no more'))
}
