/**
 * The store's own history, change by change: what is there now, and what should
 * never have been. Fed by a watch on everything, from the very first revision on.
 */
import type { JsonObject } from '../../proto/index.ts'

export interface StoreEvent {
  readonly type: 'Put' | 'Delete'
  /** Below the cluster's prefix. */
  readonly path: string
  /** Empty for a delete. */
  readonly value: string
  readonly revision: number
}

export interface StoreMirror {
  /** All events of some revisions, in order: those of one revision together. What was told before is passed over. */
  take(events: readonly StoreEvent[]): void
  /** The keys that are there, with their values. */
  readonly keys: ReadonlyMap<string, string>
  /** Up to here all was told. */
  readonly revision: number
  readonly violations: readonly string[]
  /** What was ever said of keys in which, or in whose values, this occurs; one line each. */
  historyOf(text: string): readonly string[]
}

/** Keys that have one owner, who must give them back before they are another's. */
const owned = /^(addresses|names|macs|vnis)\//

export function createStoreMirror(): StoreMirror {
  const keys = new Map<string, string>()
  const events: StoreEvent[] = []
  const violations: string[] = []
  let revision = 0

  const takeRevision = (group: readonly StoreEvent[]) => {
    const before = new Map(group.map(({ path }) => [path, keys.get(path)]))
    for (const { type, path, value } of group)
      if (type === 'Put') keys.set(path, value)
      else keys.delete(path)
    const at = group[0]?.revision ?? 0
    for (const event of group) {
      const problem = overwritten(event, before.get(event.path)) ?? torn(event, before.get(event.path), keys)
      if (problem) violations.push(`revision ${at}: ${problem}`)
    }
  }
  return {
    keys,
    get revision() {
      return revision
    },
    violations,
    take(told) {
      const fresh = told.filter((event) => event.revision > revision)
      events.push(...fresh)
      for (const group of byRevision(fresh)) takeRevision(group)
      revision = fresh.at(-1)?.revision ?? revision
    },
    historyOf: (text) =>
      events
        .filter(({ path, value }) => path.includes(text) || value.includes(text))
        .map(({ type, path, value, revision: at }) => `${at} ${type} ${path} ${value}`.trimEnd()),
  }
}

function byRevision(events: readonly StoreEvent[]): readonly StoreEvent[][] {
  const groups: StoreEvent[][] = []
  for (const event of events) {
    const last = groups.at(-1)
    if (last?.[0]?.revision === event.revision) last.push(event)
    else groups.push([event])
  }
  return groups
}

/** One owner's key that became another's, and was not given back between. */
function overwritten({ type, path, value }: StoreEvent, before: string | undefined): string | undefined {
  if (type !== 'Put' || before === undefined || !owned.test(path)) return undefined
  const [was, is] = [before, value].map((text) => ownerIn(read(text)))
  return was === is ? undefined : `${path} was ${was}, and became ${is} without having been given back`
}

function ownerIn(record: JsonObject): string {
  const { kind = '', endpointId = '', name = '', node = '', network = '' } = record
  return [kind, endpointId, name, node, network].filter(Boolean).join(' ')
}

/** An endpoint whose keys did not come, or go, in the transaction in which it did. */
function torn(event: StoreEvent, before: string | undefined, keys: ReadonlyMap<string, string>): string | undefined {
  const [kind, network = '', id = ''] = event.path.split('/')
  if (kind !== 'endpoints') return undefined
  const record = read(event.type === 'Put' ? event.value : (before ?? ''))
  const isThere = event.type === 'Put'
  const wrong = keysOf(network, id, record).filter(({ path, owner }) => (owner(keys.get(path)) === id) !== isThere)
  if (wrong.length === 0) return undefined
  const list = wrong.map(({ path }) => path).join(', ')
  return isThere ? `endpoint ${id} is there without ${list}` : `endpoint ${id} is gone, and ${list} is there`
}

/** What is needed of an endpoint's record. */
interface EndpointKeys {
  readonly addresses?: readonly string[]
  readonly mac?: string
  readonly name?: string
  readonly node?: string
}

function keysOf(network: string, id: string, record: EndpointKeys) {
  const { addresses = [], mac = '', name, node = '' } = record
  const named = (value: string | undefined) => (value === undefined ? undefined : read(value)['endpointId'])
  const placed = (value: string | undefined) => (value === undefined ? undefined : id)
  return [
    ...addresses.map((ip) => ({ path: `addresses/${network}/${ip}`, owner: named })),
    { path: `macs/${network}/${mac}`, owner: named },
    ...(name ? [{ path: `names/${network}/${name}`, owner: named }] : []),
    { path: `placements/${node}/${network}/${id}`, owner: placed },
  ]
}

function read(value: string): JsonObject {
  return value === '' ? {} : (JSON.parse(value) as JsonObject)
}
