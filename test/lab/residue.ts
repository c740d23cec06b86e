/** Takes labs away, one's own or those of dead processes, from what they wrote down. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { netnsDirectory, netnsName } from './netns-name.ts'
import { bootId, endAll, identityOf, isAlive, type ProcessIdentity } from './process-identity.ts'
import { labDirectory, readRecord, recordedProcesses, unnamedLabs } from './record.ts'

/**
 * Ends the lab's processes, deletes its namespaces, and its directory last, so
 * that a removal that is cut short can be done again. Synchronous, because it
 * also runs while a process exits. Does nothing where there is nothing.
 * @throws Error when something is left all the same.
 */
export function removeLab(id: string): void {
  const directory = labDirectory(id)
  const record = readRecord(directory)
  const namespaces = namespacesOf(id)
  const started = record?.bootId === bootId() ? recordedProcesses(directory) : []
  endAll([...started, ...inhabitants(namespaces)])
  deleteNamespaces(namespaces)
  if (record) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  const left = namespacesOf(id)
  if (left.length > 0) throw new Error(`lab "${id}": could not delete the namespaces ${left.join(', ')}`)
}

/**
 * Removes the labs whose creators are gone, and those of an earlier boot. One
 * that resists stays for the next time.
 * @returns the ids of those removed.
 */
export function reap(): readonly string[] {
  const dead = unnamedLabs().filter(({ creator, bootId: boot }) => creator && (boot !== bootId() || !isAlive(creator)))
  return dead.map(({ id }) => id).filter(removed)
}

function removed(id: string): boolean {
  try {
    removeLab(id)
    return true
  } catch {
    return false
  }
}

/** The names below /run/netns that are the lab's. */
export function namespacesOf(id: string): readonly string[] {
  try {
    return readdirSync(netnsDirectory).filter((name) => name.startsWith(netnsName(id, '')))
  } catch {
    return []
  }
}

/** Whoever lives in these namespaces, but for us: also what the lab's processes left behind. */
function inhabitants(namespaces: readonly string[]): readonly ProcessIdentity[] {
  const inodes = new Set(namespaces.flatMap((name) => inodeOf(join(netnsDirectory, name)) ?? []))
  if (inodes.size === 0) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => inodes.has(namespaceInode(pid)))
    .map((pid) => identityOf(Number(pid)))
}

function inodeOf(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino.toString()
}

function namespaceInode(pid: string): string {
  try {
    return /\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[0] ?? ''
  } catch {
    return ''
  }
}

function deleteNamespaces(names: readonly string[]): void {
  if (names.length === 0) return
  const input = names.map((name) => `netns del ${name}\n`).join('')
  // -force: one that is gone already does not keep the others.
  spawnSync('ip', ['-force', '-batch', '-'], { input })
}
