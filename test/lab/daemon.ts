/** A daemon of the lab: started, ready, killed, frozen, started again. */
import { listens } from './listens.ts'
import type { Netns } from './netns.ts'
import { type Exit, type LabProcess, startProcess } from './process.ts'
import { until } from './until.ts'

export interface DaemonSpec {
  /** For messages, for example `agent on h1`. */
  readonly name: string
  readonly netns: Netns
  /** Asked at each start. */
  readonly command: () => readonly string[]
  /** The TCP port that it serves on, if any: not ready before it listens. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  readonly log: string
  /** The lab's directory. */
  readonly directory: string
  /** Whether it serves; may throw to say why not. */
  readonly ready: () => Promise<boolean>
}

export interface StartOptions {
  /** Added to the daemon's own; where a flag is given twice, the last one holds. */
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Makes another command of its own, flags included: another copy of the program, one that is wrapped. */
  readonly command?: (own: readonly string[]) => readonly string[]
  /** Milliseconds until it must be ready; 0: do not wait for it. Default 20,000. */
  readonly deadline?: number
}

export interface Daemon {
  readonly name: string
  readonly log: string
  /** @throws Error when it was never started. */
  readonly pid: number
  readonly running: boolean
  /**
   * Starts it and waits until it is ready. Without options: with those of the
   * last start.
   * @throws Error with the tail of the log when it ends or the deadline passes.
   */
  start(options?: StartOptions): Promise<void>
  stop(): Promise<Exit>
  kill(): Promise<Exit>
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Stops and starts it, as the last time. */
  restart(): Promise<void>
  /** Waits until it is ready, for example after a thaw. */
  ready(deadline?: number): Promise<void>
  logTail(lines?: number): string
}

export function createDaemon(spec: DaemonSpec): Daemon {
  let current: LabProcess | undefined
  let last: StartOptions = {}
  const running = () => current !== undefined && current.exit === undefined
  const started = () => {
    if (current) return current
    throw new Error(`${spec.name} was not started`)
  }
  const ready = (deadline = 20_000) =>
    until(async () => (spec.port === undefined || listens(started().pid, spec.port)) && spec.ready(), {
      what: `${spec.name}: to be ready`,
      deadline,
      hopeless: () => (started().exit ? `it ended with ${endOf(started().exit)}` : undefined),
      detail: () => `${spec.log}:\n${started().logTail()}`,
    }).then(() => undefined)

  const daemon: Daemon = {
    name: spec.name,
    log: spec.log,
    get pid() {
      return started().pid
    },
    get running() {
      return running()
    },
    async start(options = last) {
      if (running()) throw new Error(`${spec.name} is running already`)
      last = options
      const { flags = [], env = {}, command: change = (own) => own, deadline } = options
      const { name, log, directory, netns } = spec
      const command = change([...spec.command(), ...flags])
      current = await startProcess({ name, log, directory, netns: netns.path, command, env: { ...spec.env, ...env } })
      if (deadline !== 0) await ready(deadline)
    },
    stop: () => started().stop(),
    kill: () => started().kill(),
    freeze: () => started().freeze(),
    thaw: () => started().thaw(),
    async restart() {
      await started().stop()
      await daemon.start()
    },
    ready,
    logTail: (lines) => started().logTail(lines),
  }
  return daemon
}

function endOf(exit: Exit | undefined): string {
  return exit?.signal ?? `exit code ${exit?.code}`
}
