/** Who a process is: pids are used again, a pid with its start time is not. */
import { readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot (proc(5), /proc/pid/stat, field 22). */
  readonly startTime: string
}

interface ProcessStat extends ProcessIdentity {
  /** One letter: R, S, T (stopped), Z (ended, but not yet waited for)… */
  readonly state: string
}

/** The process with this pid, as it is now; undefined if there is none. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field, the program's name, may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { pid, state: fields[0] ?? '', startTime: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: processStat(pid)?.startTime ?? '' }
}

/** Whether that very process is still running. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const now = processStat(pid)
  return now !== undefined && now.startTime === startTime && now.state !== 'Z'
}

/** Sends the signal to that process and to no other that has its pid now. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, name)
  } catch {
    // It ended between the look and the signal.
  }
}

/** Ends them and waits for it, synchronously; SIGKILL reaches frozen ones too. */
export function endAll(processes: readonly ProcessIdentity[]): void {
  for (const identity of processes) signal(identity, 'SIGKILL')
  const deadline = performance.now() + 5_000
  while (processes.some(isAlive) && performance.now() < deadline) Atomics.wait(still, 0, 0, 2)
}

const still = new Int32Array(new SharedArrayBuffer(4))

/** Changes with each boot: identities of another boot are of processes long gone. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
