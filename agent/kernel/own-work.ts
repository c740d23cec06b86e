/** What our own requests to the kernel have touched, so that what it tells of them is not taken for another's work. Pure. */
import { readText } from './attributes.ts'
import type { Request } from './netlink-message.ts'
import {
  IFLA_IFNAME,
  RTA_OIF,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
} from './rtnetlink.ts'

/** Told around all that a socket changes. It happens while `send` runs. */
export interface OwnWork {
  begins(): void
  /** It did that, or tried to. */
  ended(tasks: readonly Request[]): void
}

export interface OwnWorkDone {
  /** In a sandbox, or on the host. */
  readonly inside: boolean
  /** Indexes of links; what a message about one may be: an entry that comes, or goes, or everything. */
  readonly touched: Map<number, 'put' | 'delete' | 'all'>
  /** Of links that were made. */
  readonly names: ReadonlySet<string>
}

export function ownWorkOf(tasks: readonly Request[], inside: boolean): OwnWorkDone {
  const touched: OwnWorkDone['touched'] = new Map()
  const names = new Set<string>()
  for (const { type, header, attributes } of tasks) {
    const value = (wanted: number) => {
      const found = attributes.find((attribute) => attribute.type === wanted)?.value
      return found instanceof Uint8Array ? Buffer.from(found) : undefined
    }
    const isRoute = type === RTM_NEWROUTE || type === RTM_DELROUTE
    const index = isRoute ? (value(RTA_OIF)?.readUInt32LE(0) ?? 0) : Buffer.from(header).readInt32LE(4)
    const name = type === RTM_NEWLINK && index === 0 ? readText(value(IFLA_IFNAME)) : ''
    const what = type === RTM_NEWNEIGH ? 'put' : type === RTM_DELNEIGH ? 'delete' : 'all'
    if (name) names.add(name)
    if (index === 0) continue
    const before = touched.get(index)
    touched.set(index, before === undefined || before === what ? what : 'all')
  }
  return { inside, touched, names }
}

/** Whether a message of that type about the link is what our work has led to. */
export function isOwn({ touched }: OwnWorkDone, index: number, type: number): boolean {
  const what = touched.get(index)
  // A neighbour is told as failed before it goes.
  return what === 'put' ? type === RTM_NEWNEIGH : what !== undefined && (what === 'all' || isOfEntry(type))
}

function isOfEntry(type: number): boolean {
  return type === RTM_NEWNEIGH || type === RTM_DELNEIGH
}
