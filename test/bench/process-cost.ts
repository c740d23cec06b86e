/** What a process costs, told from /proc. */
import { readdirSync, readFileSync } from 'node:fs'
import { pause } from '../../lib/retry.ts'

/** USER_HZ, which is 100 on every Linux that Node runs on (proc(5)). */
const ticksPerSecond = 100

/** User and system time so far (proc(5), /proc/pid/stat fields 14 and 15). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** How much of one core each process takes, measured for so many seconds: 1 is all of it. */
export async function coreShares(pids: readonly number[], seconds: number): Promise<readonly number[]> {
  const before = pids.map(cpuSeconds)
  const started = performance.now()
  await pause(seconds * 1_000)
  const elapsed = (performance.now() - started) / 1_000
  return pids.map((pid, at) => (cpuSeconds(pid) - (before[at] ?? 0)) / elapsed)
}

export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

/** File descriptors that it has open. */
export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
