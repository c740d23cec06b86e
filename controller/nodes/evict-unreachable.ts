/** Evicts nodes that have been unreachable for longer than the controllers' --node-grace. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Node } from '../../proto/index.ts'
import { partBelow } from '../../store/keys.ts'
import { absent, type Compare, type Entry, type Range, type Store, unchanged } from '../../store/store.ts'
import { type Absences, createAbsences } from './absences.ts'
import { evict, forget } from './evict.ts'

export interface EvictUnreachableOptions {
  /** Milliseconds without a sign of life; 0: nothing is ever evicted. */
  readonly grace: number
  /** Whether a node's agent has a stream to this controller: then it is not dead, whatever the store says. */
  readonly isConnected: (node: string) => boolean
  /** Aborts when another one may be at it. */
  readonly term: AbortSignal
  /** Holds only while nobody else is at it. */
  readonly fence: Compare
  readonly log: Logger
  /** Milliseconds between two looks; default: a quarter of the grace, 1 to 10 seconds. */
  readonly interval?: number
  /** See AbsencesOptions; default ten seconds. */
  readonly margin?: number
}

/** A look may be late by so many milliseconds. */
const lateness = 5_000

/**
 * Looks at nodes and sessions until the term ends. A node is evicted when all
 * looks of a whole grace have found neither a session nor another sign of life;
 * time in which the store could not be looked at, or written to, does not count.
 * @throws OverlayError when the sessions cannot be followed any more.
 */
export async function evictUnreachable(store: Store, options: EvictUnreachableOptions): Promise<void> {
  const { grace, term, margin = 10_000 } = options
  if (grace === 0) return
  const { interval = Math.min(Math.max(grace / 4, 1_000), 10_000) } = options
  const absences = createAbsences({ grace, margin, longestGap: interval + lateness })
  const watch = { isOn: false }
  await Promise.all([
    followSessions(store, absences, watch, term),
    keepLooking({ ...options, store, absences, watch }, interval),
  ])
}

interface Observer extends EvictUnreachableOptions {
  readonly store: Store
  readonly absences: Absences
  /** Whether sessions that come and go are told now. */
  readonly watch: { readonly isOn: boolean }
}

async function keepLooking(observer: Observer, interval: number): Promise<void> {
  const { absences, term, log } = observer
  for (let failures = 0; !term.aborted; ) {
    try {
      await lookOnce(observer)
      failures = 0
      await pause(interval, term)
    } catch (error) {
      absences.interrupted()
      if (failures === 0) log.warn({ err: OverlayError.from(error) }, 'unreachable nodes cannot be looked for')
      await pause(delayBefore(failures++, { first: 500, most: interval }), term)
    }
  }
}

async function lookOnce(observer: Observer): Promise<void> {
  const { store, absences, watch, isConnected } = observer
  const { keys } = store
  const began = performance.now()
  // A store that takes no writes can be read, but an agent that is started meanwhile gets no session.
  await store.requireRoom()
  const { entries } = await store.list(keys.nodes)
  // After the nodes: one that has registered meanwhile is not yet among them. Whether a session is there is what
  // counts, readable or not.
  const { paths } = await store.paths(keys.sessions)
  const ended = performance.now()
  const records = new Map<string, Entry<Node>>()
  for (const entry of entries) {
    const name = nodeAt(keys.nodes, entry.path)
    if (name) records.set(name, entry)
  }
  const alive = new Set(paths.flatMap((path) => nodeAt(keys.sessions, path) ?? []))
  for (const name of records.keys()) if (isConnected(name)) alive.add(name)
  const nodes = Array.from(records, ([name, { modRevision, value }]) => ({
    name,
    modRevision,
    sessionTtl: value.sessionTtl,
  }))
  const overdue = absences.look({ began, ended, nodes, alive, watched: watch.isOn })
  await evictAll(
    observer,
    overdue.flatMap(({ name, absent }) => {
      const record = records.get(name)
      return record ? [{ name, record, absent }] : []
    }),
  )
}

interface Overdue {
  readonly name: string
  /** As it was when it was seen overdue. */
  readonly record: Entry<Node>
  /** For how many milliseconds. */
  readonly absent: number
}

/** First all records, so that no node waits, perhaps to show up, until the endpoints of others are released. */
async function evictAll(observer: Observer, overdue: readonly Overdue[]): Promise<void> {
  const { store, term, log } = observer
  const gone: string[] = []
  for (const node of overdue) if (!term.aborted && (await forgetOverdue(observer, node))) gone.push(node.name)
  for (const node of gone) {
    if (term.aborted) return
    try {
      log.warn({ node, endpoints: await evict(store, node) }, 'endpoints of the evicted node released')
    } catch (error) {
      // The janitor's next round goes on with it.
      log.warn({ err: OverlayError.from(error), node }, 'endpoints of the evicted node not all released yet')
    }
  }
}

/**
 * Of a node that shows any sign of life at the last moment nothing is taken; nor by one who leads no more.
 * @returns whether its record is removed.
 */
async function forgetOverdue(
  { store, absences, isConnected, fence, log }: Observer,
  { name, record, absent: unreachableFor }: Overdue,
): Promise<boolean> {
  const { keys } = store
  const compares = [unchanged(record), absent(keys.session(name)), fence]
  const isBack = isConnected(name) || !absences.isAbsent(name)
  if (isBack || !(await store.commit({ compares, writes: forget(keys, name) })).committed) {
    log.info({ node: name }, 'unreachable node not evicted: it is back, or another controller is the janitor')
    return false
  }
  log.warn(
    { node: name, unreachableSeconds: Math.round(unreachableFor / 1000) },
    'node evicted: it was unreachable for longer than --node-grace',
  )
  return true
}

/** Tells what happens between two looks: sessions that come and go, a store that is lost or another one. */
async function followSessions(
  store: Store,
  absences: Absences,
  watch: { isOn: boolean },
  term: AbortSignal,
): Promise<void> {
  const sessions: Range<null> = { ...store.keys.sessions, type: null }
  let first = true
  for await (const update of store.follow(sessions, term)) {
    if (update.kind === 'lost') absences.interrupted()
    else if (update.kind === 'changes')
      for (const change of update.changes) {
        const node = change.kind === 'put' ? nodeAt(sessions, change.entry.path) : undefined
        if (node) absences.showedUp(node)
      }
    else {
      // After the first one it means that history is gone: what came and went meanwhile is not known.
      if (!first) absences.reset()
      first = false
    }
    watch.isOn = update.kind !== 'lost'
  }
}

/** Undefined of a key that is no node's. */
function nodeAt(range: Range<unknown>, path: string): string | undefined {
  return partBelow(range, path) || undefined
}
