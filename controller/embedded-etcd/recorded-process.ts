/** A process that outlives the one that started it, and is found again by a file. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { pause } from '../../lib/retry.ts'

/** Process ids are used again: start time and boot tell this process from a later one. */
const recordSchema = z.object({
  pid: z.number().int().positive(),
  /** Clock ticks since the boot (proc(5), /proc/PID/stat, field 22). */
  startTime: z.string(),
  bootId: z.string(),
  /** What it was started with. */
  args: z.array(z.string()),
})

export type ProcessRecord = z.infer<typeof recordSchema>

/** Whether the recorded process, and no other of its id, still runs. */
export function isRunning(record: ProcessRecord): boolean {
  return startTimeOf(record.pid) === record.startTime && bootId() === record.bootId
}

/** The record of a process that has just been started; undefined when it has ended already. */
export function recordOf(pid: number, args: readonly string[]): ProcessRecord | undefined {
  const startTime = startTimeOf(pid)
  return startTime === undefined ? undefined : { pid, startTime, bootId: bootId(), args: [...args] }
}

/** Undefined when there is no file, or one that is not ours. */
export function readRecord(file: string): ProcessRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined
  }
}

export function writeRecord(file: string, record: ProcessRecord): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, `${JSON.stringify(record)}\n`)
  renameSync(`${file}.new`, file)
}

/** Asks the process to end, and after `grace` milliseconds ends it. */
export async function endProcess(file: string, record: ProcessRecord, grace: number): Promise<void> {
  const deadline = Date.now() + grace
  signalTo(record, 'SIGTERM')
  while (isRunning(record)) {
    if (Date.now() >= deadline) signalTo(record, 'SIGKILL')
    await pause(20)
  }
  rmSync(file, { force: true })
}

function signalTo(record: ProcessRecord, signal: NodeJS.Signals): void {
  try {
    if (isRunning(record)) process.kill(record.pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name, in brackets, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
