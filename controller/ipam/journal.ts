/** Keeps the journal of addresses within bounds: who held which, `history/<network>/…`. */
import type { Logger } from '../../lib/log.ts'
import type { Tenure } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import { type Entry, type Range, remove, type Store } from '../../store/store.ts'
import { hasEnded } from './tenures.ts'

/** Tenures that are kept of one address, and of one network beside those that last; for a while a little more. */
const mostOfAddress = 16
const mostOfNetwork = 20_000
/** Milliseconds after its end for which a tenure is kept. */
const longest = 30 * 24 * 3_600_000
/** A journal that has hardly grown is looked through only so often. */
const rereadAfter = 3_600_000
/** So much of it, and so many entries, is hardly: a large one is not read anew for each claim. */
const hardly = { part: 0.02, most: 500 }

/** What a page has, and what a transaction removes. */
const pageSize = 1_000
const perStep = 100

/** How each network's journal was left, for the next round: what has hardly grown can wait. */
export type Trimmed = Map<string, { readonly count: number; readonly at: number }>

export interface TrimOptions {
  /** What earlier rounds found; it is brought up to date. */
  readonly trimmed?: Trimmed
  /** Milliseconds since the epoch. */
  readonly now?: number
}

/**
 * Removes what is beyond the bounds, the oldest first, and never a tenure that
 * still lasts: an ended one never changes, so that this may be done at any time
 * and by several at once.
 * @returns how many entries were removed.
 */
export async function trimJournal(
  store: Store,
  log: Logger,
  signal: AbortSignal,
  { trimmed = new Map(), now = Date.now() }: TrimOptions = {},
): Promise<number> {
  const { keys } = store
  const { paths } = await store.paths(keys.networks)
  const networks = paths.map((path) => partsBelow(keys.networks, path)[0] ?? '')
  for (const network of trimmed.keys()) if (!networks.includes(network)) trimmed.delete(network)
  let removed = 0
  for (const network of networks) {
    if (signal.aborted) break
    const range = keys.history(network)
    const count = await store.count(range)
    const before = trimmed.get(network)
    if (before && canWait(count - before.count, count) && now - before.at < rereadAfter) continue
    const surplus = await surplusOf(store, range, now, signal)
    await removeAll(store, surplus, signal)
    if (signal.aborted) break
    trimmed.set(network, { count: count - surplus.length, at: now })
    removed += surplus.length
    if (surplus.length > 0) log.info({ network, entries: surplus.length }, 'journal of addresses trimmed')
  }
  return removed
}

/** One that has become smaller is another network's. */
function canWait(grown: number, count: number): boolean {
  return grown >= 0 && grown <= Math.min(count * hardly.part, hardly.most)
}

/** What can be removed without saying how old it is: an ended tenure's key, and the revision of its end. */
interface Ended {
  readonly path: string
  readonly endedAt: number
}

/** The paths of what is beyond the bounds. */
async function surplusOf(store: Store, range: Range<Tenure>, now: number, signal: AbortSignal): Promise<string[]> {
  const surplus: string[] = []
  const kept: Ended[] = []
  for await (const tenures of byAddress(store, range, signal)) {
    const ended = tenures.filter(({ value }) => hasEnded(value))
    const [old, recent] = split(ended, ({ value }) => now - Date.parse(value.releasedAt) > longest)
    const room = Math.max(0, mostOfAddress - (tenures.length - ended.length))
    const sorted = recent.toSorted((a, b) => a.modRevision - b.modRevision)
    const tooMany = Math.max(0, sorted.length - room)
    surplus.push(...[...old, ...sorted.slice(0, tooMany)].map(({ path }) => path))
    kept.push(...sorted.slice(tooMany).map(({ path, modRevision }) => ({ path, endedAt: modRevision })))
  }
  if (kept.length <= mostOfNetwork) return surplus
  const oldest = kept.toSorted((a, b) => a.endedAt - b.endedAt).slice(0, kept.length - mostOfNetwork)
  return [...surplus, ...oldest.map(({ path }) => path)]
}

/** Keys sort by address: those of one address follow each other, also over the end of a page. */
async function* byAddress(
  store: Store,
  range: Range<Tenure>,
  signal: AbortSignal,
): AsyncGenerator<readonly Entry<Tenure>[]> {
  let group: Entry<Tenure>[] = []
  let address: string | undefined
  for (let after: string | undefined; !signal.aborted; ) {
    const page = await store.page(range, after === undefined ? { limit: pageSize } : { limit: pageSize, after })
    for (const entry of page.entries) {
      const [of] = partsBelow(range, entry.path)
      if (of !== address && group.length > 0) {
        yield group
        group = []
      }
      address = of
      group.push(entry)
    }
    if (page.next === undefined) break
    after = page.next
  }
  // Cut off in the middle nothing is known to be complete.
  if (group.length > 0 && !signal.aborted) yield group
}

async function removeAll(store: Store, paths: readonly string[], signal: AbortSignal): Promise<void> {
  for (let at = 0; at < paths.length && !signal.aborted; at += perStep) {
    const writes = paths.slice(at, at + perStep).map((path) => remove({ path, type: null }))
    await store.commit({ compares: [], writes })
  }
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter((item) => test(item)), items.filter((item) => !test(item))]
}
