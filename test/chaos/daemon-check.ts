/** What the daemons keep open, and what they say. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { pause } from '../../lib/retry.ts'
import type { Daemons } from './daemons.ts'
import { without } from './differences.ts'

/** A sandbox is entered and left in a few milliseconds: what is open longer is held. */
const longestVisit = 200

/** So many more descriptors than after its start a daemon may have when all is quiet: connections come and go. */
const mostMore = 12

export interface DaemonCheck {
  /** Descriptors that are too many, or of other namespaces than the daemon's own, dead ones too. */
  leaks(): Promise<readonly string[]>
  /** What was said since the last call that should not have been. */
  complaints(): readonly string[]
  /** By daemon: the most descriptors that were open at a checkpoint. */
  readonly descriptors: ReadonlyMap<string, number>
}

/** To be made when everything is ready. */
export function createDaemonCheck(daemons: Daemons): DaemonCheck {
  const first = new Map<string, number>()
  const descriptors = new Map<string, number>()
  const read = new Map<string, number>()
  for (const { name, daemon } of daemons.all.values()) first.set(name, openOf(daemon.pid).length)
  return {
    descriptors,
    async leaks() {
      const look = () => [...daemons.all.values()].map((each) => ({ ...each, open: openOf(each.daemon.pid) }))
      const earlier = new Map(look().map(({ name, open }) => [name, open] as const))
      await pause(longestVisit)
      return look().flatMap(({ name, kind, daemon, open }) => {
        descriptors.set(name, Math.max(descriptors.get(name) ?? 0, open.length))
        const visited = without(open, earlier.get(name) ?? [])
        const held = heldNamespaces(without(open, visited), linkOf(`/proc/${daemon.pid}/ns/net`))
        const most = (first.get(name) ?? 0) + mostMore
        return [
          ...held.map((link) => `${name} keeps the namespace ${link} open`),
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

/** Of what descriptors are of, the network namespaces other than `own`. */
export function heldNamespaces(open: readonly string[], own: string | undefined): readonly string[] {
  return open.filter((link) => link.startsWith('net:[') && link !== own)
}

/** What each of its descriptors is of. */
function openOf(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`
  try {
    return readdirSync(directory).flatMap((fd) => linkOf(`${directory}/${fd}`) ?? [])
  } catch {
    return []
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
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
