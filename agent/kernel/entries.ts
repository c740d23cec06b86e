/** Entries of FDB and neighbour tables, many at a time. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { AnyItem } from '../state/item.ts'
import type { Host } from './host.ts'
import type { Operation, OperationResult } from './kernel.ts'
import { findLink } from './links.ts'
import {
  deleteFloodEntry,
  deleteForwardingEntry,
  deleteNeighbour,
  putFloodEntry,
  putNeighbour,
  putPortEntry,
  putRemoteEntry,
} from './neighbours.ts'
import { batchLength, type Task } from './netlink-socket.ts'
import { foreign } from './ownership.ts'

type Entry = Extract<AnyItem, { kind: 'port-entry' | 'remote-entry' | 'flood-entry' | 'neighbour' }>
export type EntryOperation = { readonly do: 'put' | 'delete'; readonly item: Entry }

/** An operation is at most two messages. */
export const entriesAtOnce = batchLength / 2

export function isEntryOperation(operation: Operation): operation is Operation & EntryOperation {
  const { kind } = operation.item
  return kind === 'port-entry' || kind === 'remote-entry' || kind === 'flood-entry' || kind === 'neighbour'
}

/** Carries out up to `entriesAtOnce` operations with one message to the kernel. */
export function applyEntries(host: Host, operations: readonly EntryOperation[]): OperationResult[] {
  const devices = new Devices(host)
  const results: OperationResult[] = operations.map(() => done)
  const tasks: Task[] = []
  const operationOf: number[] = []
  operations.forEach((operation, at) => {
    const index = devices.index(operation.item.dev)
    if (typeof index === 'number') {
      for (const task of tasksOf(operation, index)) {
        tasks.push(task)
        operationOf.push(at)
      }
    } else if (operation.do === 'put') results[at] = { ok: false, error: index }
    // With its link, or when the link is not ours, there is nothing of ours to delete.
  })
  host.socket.batch(tasks).forEach((error, taskAt) => {
    const at = operationOf[taskAt] ?? 0
    if (!error || (operations[at]?.do === 'delete' && hasCode(error, 'not_found'))) return
    results[at] = { ok: false, error }
  })
  return results
}

const done: OperationResult = { ok: true, rebuilt: false }

function tasksOf({ do: what, item }: EntryOperation, index: number): Task[] {
  const { dev } = item
  switch (item.kind) {
    case 'port-entry':
      return what === 'put'
        ? [putPortEntry(index, item.mac, dev)]
        : [deleteForwardingEntry(index, item.mac, 'bridge', dev)]
    case 'remote-entry':
      return what === 'put'
        ? [putRemoteEntry(index, item.mac, item.vtep, dev)]
        : [deleteForwardingEntry(index, item.mac, 'bridge', dev), deleteForwardingEntry(index, item.mac, 'device', dev)]
    case 'flood-entry':
      return what === 'put' ? [putFloodEntry(index, item.vtep, dev)] : [deleteFloodEntry(index, item.vtep, dev)]
    case 'neighbour':
      return what === 'put'
        ? [putNeighbour(index, item.address, item.mac, dev)]
        : [deleteNeighbour(index, item.address, dev)]
  }
}

/** Looks each device up once. */
class Devices {
  readonly #host: Host
  readonly #known = new Map<string, number | OverlayError>()

  constructor(host: Host) {
    this.#host = host
  }

  /** The index of a device of ours, or why there is none. */
  index(name: string): number | OverlayError {
    const known = this.#known.get(name) ?? this.#lookUp(name)
    this.#known.set(name, known)
    return known
  }

  #lookUp(name: string): number | OverlayError {
    const link = findLink(this.#host.socket, name)
    if (!link) return new OverlayError('not_found', `there is no link ${name}`)
    return this.#host.owned.isOurs(link) ? link.index : foreign(link)
  }
}
