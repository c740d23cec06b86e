/** What the daemons keep open, and what they say. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import type { Daemons } from './daemons.ts'

/** So many more descriptors than after its start a daemon may have when all is quiet: connections come and go. */
const mostMore = 12

export interface DaemonCheck {
  /** Descriptors that are too many, or of sandboxes. */
  leaks(): readonly string[]
  /** What was said since the last call that should not have been. */
  complaints(): readonly string[]
  /** By daemon: the most descriptors that were open at a checkpoint. */
  readonly descriptors: ReadonlyMap<string, number>
}

/** `sandboxes`: paths of namespaces. To be made when everything is ready. */
export function createDaemonCheck(daemons: Daemons, sandboxes: () => readonly string[]): DaemonCheck {
  const first = new Map<string, number>()
  const descriptors = new Map<string, number>()
  const read = new Map<string, number>()
  for (const { name, daemon } of daemons.all.values()) first.set(name, openOf(daemon.pid).length)
  return {
    descriptors,
    leaks() {
      const inodes = new Map(sandboxes().flatMap((path) => [[inodeOf(path), path] as const]))
      return [...daemons.all.values()].flatMap(({ name, kind, daemon }) => {
        const open = openOf(daemon.pid)
        descriptors.set(name, Math.max(descriptors.get(name) ?? 0, open.length))
        const held = open.flatMap((link) => inodes.get(/^net:\[(\d+)\]$/.exec(link)?.[1]) ?? [])
        const most = (first.get(name) ?? 0) + mostMore
        return [
          ...held.map((path) => `${name} keeps ${path} open`),
          // etcd's own connections are not ours to bound.
          ...(kind !== 'etcd' && open.length > most
            ? [`${name} has ${open.length} descriptors open, not ${most} at most: ${kindsOf(open)}`]
            : []),
        ]
      })
    },
    complaints() {
      return [...daemons.all.values()].flatMap(({ name, kind, daemon }) => {
        if (kind === 'etcd') return []
        const text = readFileSync(daemon.log, 'utf8')
        const fresh = text.slice(read.get(name) ?? 0, text.lastIndexOf('\n') + 1)
        read.set(name, (read.get(name) ?? 0) + fresh.length)
        return fresh
          .split('\n')
          .filter(isComplaint)
          .map((line) => `${name}: ${line}`)
      })
    },
  }
}

function openOf(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`
  try {
    return readdirSync(directory).flatMap((fd) => {
      try {
        return [readlinkSync(`${directory}/${fd}`)]
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}

function kindsOf(links: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const link of links) {
    const kind = link.replace(/:\[\d+\]$/, '')
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
}

function inodeOf(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino.toString()
}

/** An error, or what is no line of a log at all: a program that crashes says it so. */
function isComplaint(line: string): boolean {
  if (line.trim() === '') return false
  try {
    const { level } = JSON.parse(line) as { readonly level?: string }
    return level === 'error' || level === 'fatal'
  } catch {
    return true
  }
}
