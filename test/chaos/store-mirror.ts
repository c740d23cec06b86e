/**
 * The store's own history, change by change: what is there now, and what should
 * never have been. Fed by a watch on everything, from the very first revision on.
 */
import { keysOf, ownerOf } from './owned-keys.ts'

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

type Keys = ReadonlyMap<string, string>

export function createStoreMirror(): StoreMirror {
  const keys = new Map<string, string>()
  const events: StoreEvent[] = []
  const violations: string[] = []
  let revision = 0

  const takeRevision = (group: readonly StoreEvent[]) => {
    const before = new Map(group.flatMap(({ path }) => (keys.has(path) ? [[path, keys.get(path) ?? ''] as const] : [])))
    for (const { type, path, value } of group)
      if (type === 'Put') keys.set(path, value)
      else keys.delete(path)
    const at = group[0]?.revision ?? 0
    violations.push(...problemsOf(group, before, keys).map((problem) => `revision ${at}: ${problem}`))
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

/** What is wrong after a transaction; `before` has the keys that it changed, as they were. */
function problemsOf(group: readonly StoreEvent[], before: Keys, keys: Keys): readonly string[] {
  const touched = group.flatMap(({ path }) => [
    path,
    ownerOf(path, before.get(path)) ?? path,
    ownerOf(path, keys.get(path)) ?? path,
  ])
  return [
    ...group.flatMap((event) => overwritten(event, before, keys)),
    ...[...new Set(touched)].flatMap((path) => torn(path, before, keys)),
    ...group.flatMap(({ path }) => unfounded(path, keys)),
  ]
}

/** One owner's key that became another's, and was not given back between. */
function overwritten({ path }: StoreEvent, before: Keys, keys: Keys): readonly string[] {
  const [was, is] = [before.get(path), keys.get(path)]
  if (was === undefined || is === undefined || ownerOf(path, was) === ownerOf(path, is)) return []
  return [`${path} was of ${ownerOf(path, was)}, and became of ${ownerOf(path, is)} without having been given back`]
}

/** A record that is there without one of its keys, or is gone and has left one. */
function torn(path: string, before: Keys, keys: Keys): readonly string[] {
  const isThere = keys.has(path)
  const wrong = keysOf(path, keys.get(path) ?? before.get(path) ?? '').filter(
    (each) => (ownerOf(each, keys.get(each)) === path) !== isThere,
  )
  if (wrong.length === 0) return []
  const list = wrong.join(', ')
  return [isThere ? `${path} is there without ${list}` : `${path} is gone, and ${list} is there`]
}

/** A key that names an owner that is not there, or that does not know of it. */
function unfounded(path: string, keys: Keys): readonly string[] {
  const owner = ownerOf(path, keys.get(path))
  if (owner === undefined || keysOf(owner, keys.get(owner) ?? '').includes(path)) return []
  return [`${path} names ${owner}, which ${keys.has(owner) ? 'does not have it' : 'is not there'}`]
}
