/** Keeps `hostroutes/<node>` as this host is. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../../lib/retry.ts'
import { absent, put, type Store, unchanged } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import { createDue } from './due.ts'
import type { Report } from './host-routes.ts'
import type { Registration } from './registration.ts'

/** How often the host is looked at when nobody tells of a change, in milliseconds: resolvers change without a word. */
const lookInterval = 60_000
/** So long after a change others may follow, in milliseconds. */
const settleTime = 500
/** A host with a million routes is not to be busy with reading them. */
const mostShareOfTime = 1 / 20
const backoff: Backoff = { first: 500, most: 30_000 }

export interface HostRoutesReporterOptions {
  readonly store: Store
  readonly node: string
  /** @throws OverlayError while the node is evicted. */
  readonly registration: () => Registration
  readonly guard: Pick<Guard, 'distrust'>
  /** What there is now. @throws OverlayError */
  readonly look: () => Promise<Report>
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface HostRoutesReporter {
  /** Something may have changed, on the host or in the store. */
  readonly changed: () => void
  /** Resolves after the first attempt, whether it succeeded or not. */
  readonly attempted: Promise<void>
}

/** Reports until the signal aborts; what fails is tried again. */
export function reportHostRoutes(options: HostRoutesReporterOptions): HostRoutesReporter {
  const { signal, log } = options
  const due = createDue(signal)
  let tellAttempted = () => {}
  const attempted = new Promise<void>((resolve) => {
    tellAttempted = resolve
  })

  const run = async () => {
    for (let failures = 0; !signal.aborted; ) {
      due.begin()
      const began = performance.now()
      let looked = began
      try {
        const report = await options.look()
        looked = performance.now()
        await writeIfNew(options, report)
        failures = 0
      } catch (error) {
        // Said once: it goes on until it succeeds.
        log[failures++ === 0 ? 'warn' : 'debug']({ err: error }, 'host routes not reported')
      }
      tellAttempted()
      await due.wait(failures === 0 ? lookInterval : delayBefore(failures - 1, backoff))
      await pause(Math.max(settleTime, (looked - began) / mostShareOfTime), signal)
    }
    tellAttempted()
  }
  run().catch((error: unknown) => log.error({ err: error }, 'host routes are reported no more'))
  return { changed: due.note, attempted }
}

/**
 * Read before each write, not remembered: whoever removed it, it comes back.
 * @throws OverlayError when it is worth another attempt.
 */
async function writeIfNew(options: HostRoutesReporterOptions, { routes, truncated }: Report): Promise<void> {
  const { store, node, registration, guard, log } = options
  const doubt = guard.distrust()
  if (doubt) throw new OverlayError('unavailable', `this store is not written to while it is in doubt: ${doubt}`)
  // Of an evicted node nothing is to be left: what is sent under this cannot commit once the node's record is gone.
  const fence = registration().compare()
  const key = store.keys.hostRoutesOf(node)
  const there = await store.get(key)
  const known = there?.value ?? { routes: [], truncated: false }
  if (textOf(known) === textOf({ routes, truncated })) return
  const outcome = await store.commit({
    compares: [fence, there ? unchanged(there) : absent(key)],
    writes: [put(key, { routes, truncated, updatedAt: new Date().toISOString() }, { over: there })],
  })
  if (!outcome.committed) throw new OverlayError('conflict', `the records of node ${node} changed meanwhile`)
  log.debug({ routes: routes.length, truncated }, 'host routes reported')
}

function textOf({ routes, truncated }: Report): string {
  return JSON.stringify([truncated, ...routes.map(({ kind, cidr, via }) => [kind, cidr, via])])
}
