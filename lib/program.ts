/** The life of a daemon: start the parts, wait for a signal, stop in reverse. */
import { OverlayError, UsageError } from './errors.ts'
import { openServiceManager, type ServiceManager } from './service-manager.ts'

export interface Stopping {
  /** Aborts when the process shall end: every loop hangs on it. */
  readonly signal: AbortSignal
  /** Run in reverse order once the signal has aborted. */
  readonly defer: (stop: () => Promise<void> | void) => void
  /**
   * The process has done what it was started for: it ends as after a signal, once
   * `start` has returned.
   */
  readonly end: () => void
  /**
   * Who started us as a service. It is told that the program is ready when `start`
   * has returned, or by `start` itself, earlier.
   */
  readonly service: Pick<ServiceManager, 'isThere' | 'ready' | 'status'>
}

/**
 * Runs `start`, then waits for SIGTERM or SIGINT (or until `start`'s parts end
 * the process by `fail`), then runs what was deferred, last first. The exit
 * code is 0 after a signal, 1 after an error, 2 after wrong usage; the error is
 * one line on standard error, and so is what fails while stopping; the rest is
 * stopped all the same. A second signal ends the process at once.
 */
export async function runProgram(name: string, start: (stopping: Stopping) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  const stops: (() => Promise<void> | void)[] = []
  const stop = () => (signal.aborted ? process.exit(1) : controller.abort())
  process.on('SIGTERM', stop).on('SIGINT', stop)
  let service: ServiceManager | undefined
  signal.addEventListener('abort', () => service?.stopping(), { once: true })
  try {
    service = await openServiceManager()
    await start({ signal, defer: (action) => stops.push(action), end: () => controller.abort(), service })
    if (!signal.aborted) {
      service.ready()
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
  } catch (error) {
    if (!signal.aborted) {
      process.stderr.write(`${name}: ${describe(error)}\n`)
      process.exitCode = error instanceof UsageError ? 2 : 1
    }
    controller.abort()
  }
  for (const action of stops.toReversed()) {
    const stopped = async () => action()
    await stopped().catch(
      (error: unknown) => void process.stderr.write(`${name}: while stopping: ${describe(error)}\n`),
    )
  }
  service?.close()
  process.exit()
}

function describe(thrown: unknown): string {
  const error = OverlayError.from(thrown)
  return error.code === 'internal' && error.cause instanceof Error
    ? (error.cause.stack ?? error.message)
    : error.message
}
