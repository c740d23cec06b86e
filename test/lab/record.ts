/**
 * What a lab writes down about itself, so that whoever comes later can remove
 * it: who made it, and which processes it started.
 */
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { bootId, identityOf, type ProcessIdentity } from './process-identity.ts'

/** Fixed, because leftovers must be found whatever TMPDIR is, and a socket's path is short. */
const root = '/tmp'
const unnamed = 'overlay-lab-'

export interface LabRecord {
  readonly id: string
  /** null: the lab outlives its creator, until someone takes it down by name. */
  readonly creator: ProcessIdentity | null
  readonly bootId: string
}

/** A lab that was given a name is in /tmp/overlay-NAME, any other in /tmp/overlay-lab-ID. */
export function labDirectory(id: string): string {
  return join(root, /^[0-9a-f]{6}$/.test(id) ? unnamed + id : `overlay-${id}`)
}

/**
 * Makes the lab's directory, for root's eyes only (it holds the agents'
 * sockets). It appears with its record in it or not at all.
 * @throws Error when a lab of that id is there already.
 */
export function createRecord(id: string, { keep }: { keep: boolean }): string {
  const directory = labDirectory(id)
  const record: LabRecord = { id, creator: keep ? null : identityOf(process.pid), bootId: bootId() }
  const draft = mkdtempSync(`${directory}.`)
  try {
    writeFileSync(join(draft, 'lab.json'), JSON.stringify(record))
    renameSync(draft, directory)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    throw new Error(`a lab "${id}" is there already (${directory}): take it down first`, { cause: error })
  }
  return directory
}

/** The record in a lab's directory; undefined when there is none, or when it is another user's. */
export function readRecord(directory: string): LabRecord | undefined {
  try {
    if (statSync(directory).uid !== process.getuid?.()) return undefined
    return JSON.parse(readFileSync(join(directory, 'lab.json'), 'utf8')) as LabRecord
  } catch {
    return undefined
  }
}

/** All labs without a name, dead or alive. */
export function unnamedLabs(): readonly LabRecord[] {
  return readdirSync(root)
    .filter((name) => /^[0-9a-f]{6}$/.test(name.slice(unnamed.length)) && name.startsWith(unnamed))
    .flatMap((name) => readRecord(join(root, name)) ?? [])
}

const processesFile = (directory: string) => join(directory, 'processes')

export function recordProcess(directory: string, { pid, startTime }: ProcessIdentity): void {
  appendFileSync(processesFile(directory), `${pid} ${startTime}\n`)
}

/** The processes that the lab started, dead or alive. */
export function recordedProcesses(directory: string): readonly ProcessIdentity[] {
  try {
    const lines = readFileSync(processesFile(directory), 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => ({ pid: Number(line.split(' ')[0]), startTime: line.split(' ')[1] ?? '' }))
  } catch {
    return []
  }
}
