/** A process of the lab that runs in the background. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { environment } from './environment.ts'
import { identityOf, isAlive, processStat, signal } from './process-identity.ts'
import { recordProcess } from './record.ts'
import { until } from './until.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface LabProcess {
  readonly name: string
  readonly pid: number
  /** Path of the file that holds what it says on both its outputs. */
  readonly log: string
  /** How it ended; undefined while it runs. */
  readonly exit: Exit | undefined
  /**
   * SIGTERM (or another), and waits for the end.
   * @throws Error with the tail of the log when it goes on.
   */
  stop(how?: { signal?: NodeJS.Signals; deadline?: number }): Promise<Exit>
  /** SIGKILL. */
  kill(): Promise<Exit>
  /** SIGSTOP: it is there, its connections too, but it does not answer. */
  freeze(): Promise<void>
  /** SIGCONT. */
  thaw(): Promise<void>
  logTail(lines?: number): string
}

export interface ProcessSpec {
  /** For messages, for example `agent on h1`. */
  readonly name: string
  readonly command: readonly string[]
  /** Path of the network namespace to run it in. */
  readonly netns: string
  readonly log: string
  /** The lab's directory, where the process is recorded. */
  readonly directory: string
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Starts a process that does not end with ours; it is the lab's to end.
 * `nsenter --net` and not `ip netns exec`, which would remount /sys.
 */
export async function startProcess({ name, command, netns, log, directory, env }: ProcessSpec): Promise<LabProcess> {
  const output = openSync(log, 'a', 0o600)
  const child = spawn('nsenter', [`--net=${netns}`, '--', ...command], {
    detached: true,
    stdio: ['ignore', output, output],
    env: environment(env),
    cwd: '/',
  })
  closeSync(output)
  child.unref()
  if (child.pid === undefined) await once(child, 'spawn')
  const identity = identityOf(child.pid ?? 0)
  recordProcess(directory, identity)

  const exited = exitOf(child)
  let exit: Exit | undefined
  void exited.then((how) => (exit = how))
  const logTail = (lines = 20) => tailOf(log, lines)

  const ended = async (how: NodeJS.Signals, deadline: number): Promise<Exit> => {
    signal(identity, how)
    if (how !== 'SIGKILL') signal(identity, 'SIGCONT')
    const detail = () => `${log}:\n${logTail()}`
    await until(() => exit, { what: `${name}: to end after ${how}`, deadline, detail, every: 5 })
    return exited
  }
  return {
    name,
    pid: identity.pid,
    log,
    get exit() {
      return exit
    },
    stop: ({ signal = 'SIGTERM', deadline = 10_000 } = {}) => ended(signal, deadline),
    kill: () => ended('SIGKILL', 5_000),
    async freeze() {
      signal(identity, 'SIGSTOP')
      await until(() => processStat(identity.pid)?.state === 'T', { what: `${name}: to freeze`, every: 1 })
    },
    async thaw() {
      signal(identity, 'SIGCONT')
      const awake = () => isAlive(identity) && processStat(identity.pid)?.state !== 'T'
      await until(awake, { what: `${name}: to thaw`, every: 1 })
    },
    logTail,
  }
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
}

/** The last lines of a file; a word on it when there are none. */
export function tailOf(path: string, lines: number): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') || '(empty)'
  } catch {
    return '(not there)'
  }
}
