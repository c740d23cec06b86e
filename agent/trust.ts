/** Whether and when this agent believes the store: at its start, when the store's history breaks, and by a resync. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { retry } from '../lib/retry.ts'
import { type ResyncRequest, ResyncResponse } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { settleAll } from './endpoint/settle.ts'
import type { WrittenBack } from './endpoint/write-back.ts'
import type { Guard } from './guard.ts'
import { placedNetworks, untilAnswered } from './in-sync.ts'
import type { Living } from './living.ts'
import { examineStore } from './node/cluster-trust.ts'
import type { Membership } from './node/membership.ts'
import { isPassing } from './node/registration.ts'
import type { StateDir } from './node/state-dir.ts'
import { awaitOthers, discardLeft, othersDoubt, whileAsked, writeBackAll, writeBackRunning } from './resync.ts'
import type { Sync } from './view/sync.ts'

export interface TrustOptions {
  readonly store: Store
  readonly stateDir: StateDir
  readonly guard: Guard
  /** This node's name. */
  readonly node: string
  /** Somebody said that a store that went back is to be believed at this start. */
  readonly resync: boolean
  readonly signal: AbortSignal
  readonly log: Logger
  /** The agent waits for somebody to say so. */
  readonly onHolding: () => void
  /** What a starting agent waits for, for people. */
  readonly onWaiting: (why: OverlayError) => void
  /** Writes down what was seen of the store. */
  readonly remember: () => void
}

export interface Trust {
  /** Resolves with the cluster's uid, once the store is to be trusted. */
  readonly gained: () => Promise<string>
  /** The store has another history than before: it is believed again when it was examined and then read anew. */
  readonly historyBroken: (sync: Sync, membership: Membership) => void
  /** Before the first look at the kernel: writes back what lives here, if a resync was asked for. */
  readonly starting: (membership: Membership, living: readonly Living[]) => Promise<void>
  /** The agent is in sync. */
  readonly started: (parts: EndpointParts, membership: Membership) => void
  /**
   * Believes a store that went back, also before the agent is in sync. Resolves when all is done.
   * @throws OverlayError `unavailable`, `failed_precondition` (another cluster's store), `deadline`
   */
  readonly resync: (request: ResyncRequest, caller: AbortSignal) => Promise<ResyncResponse>
}

interface Started {
  readonly parts: EndpointParts
  readonly membership: Membership
}

export function createTrust(options: TrustOptions): Trust {
  const { store, stateDir, guard, node, signal, log, onHolding, onWaiting, remember } = options
  let accepted = options.resync
  let running: Started | undefined
  let tellStarted = (_started: Started) => {}
  const hasStarted = new Promise<Started>((resolve) => {
    tellStarted = resolve
  })
  /** Counts the times that a resync began to believe the store, and ended to. */
  let beliefs = 0
  let isBelieving = false
  /** Breaks in history that were examined. */
  let examinations = 0
  /** History broke since a resync began to read it anew. */
  let brokeSince = false
  /** What was written back at the start, until somebody asks. */
  let atStart: WrittenBack | undefined
  /** One resync after another. */
  let resyncing: Promise<unknown> = Promise.resolve()

  const examine = (accept: boolean) => {
    const asked = beliefs
    const isAsked = () => asked === beliefs
    return examineStore({ store, stateDir, guard, node, accept: accept || isBelieving, isAsked })
  }
  const gained = (worthwhile = () => true) =>
    retry(
      async () => {
        const uid = await examine(accepted)
        if (uid) return uid
        if (guard.wentBack()) onHolding()
        throw new OverlayError('failed_precondition', guard.reason() ?? 'the store is in doubt')
      },
      {
        signal,
        worthwhile,
        backoff: { first: 200, most: 3_000 },
        onRetry: (error) => onWaiting(OverlayError.from(error)),
      },
    )

  const examineAgain = async (sync: Sync, membership: Membership) => {
    const examination = ++examinations
    // What was seen last, not what was written down last, tells whether history went back.
    remember()
    guard.set('view', 'the store has another history than before: it is being examined and read anew')
    const isLast = () => examination === examinations
    const uid = await untilAnswered(() => examine(false), signal)
    // Of an older state of the own cluster what it adds is taken in all the same.
    if (!uid && !guard.isForeign() && isLast()) await sync.readAnew()
    if (!uid) await gained(isLast)
    // Believed at once: it is the own cluster's, and its revisions say nothing of those before.
    if (isLast()) await (uid ? sync.rebase() : sync.readAnew())
    const own = await untilAnswered(() => store.get(store.keys.node(node)), signal)
    // History broke once more meanwhile: the examination that began then goes on.
    if (!isLast()) return
    guard.set('view', undefined)
    membership.ownNodeSeen(own)
    if (running) await settleAll(running.parts)
  }
  const historyBroken = (sync: Sync, membership: Membership) => {
    brokeSince = true
    if (isBelieving) return
    examineAgain(sync, membership).catch((error: unknown) => log.info({ err: error }, 'examination ended'))
  }

  /** From now on this is the history that the node has lived with; `wentBackTo`: not all nodes are resynced yet. */
  const believe = (membership: Membership, clusterUid: string, revision: number, wentBackTo: number) => {
    stateDir.writeMemory({ clusterUid, revision, generation: membership.generation() ?? 0, node, wentBackTo })
    guard.set('others', othersDoubt([]))
  }
  const keepOthers = ({ parts }: Started) => {
    const since = stateDir.readMemory()?.wentBackTo
    if (since === undefined) return
    awaitOthers({ parts, guard, stateDir, since }).catch((error: unknown) =>
      log.error({ err: error }, 'other nodes are waited for no more'),
    )
  }

  /** What a running agent knows is put on the store's new history. */
  const rewrite = async ({ parts, membership }: Started, caller: AbortSignal): Promise<WrittenBack> => {
    const { view, sync, reconciler } = parts
    if (!(await examine(true))) throw notOurs(guard)
    const { revision } = await store.probe()
    const { wentBackTo = revision } = stateDir.readMemory() ?? {}
    // First: by its revisions what lives here would look older than the node.
    view.rebase()
    await membership.reenter(caller)
    reconciler.mark(view.setSelf({ generation: membership.generation() }))
    const written = await writeBackRunning(parts)
    guard.set('others', othersDoubt([]))
    brokeSince = false
    await sync.rebase()
    // Also what was detached here since: the store has it again.
    await Promise.all(Array.from(await placedNetworks(store, node), (network) => sync.follow(network)))
    if (brokeSince) throw new OverlayError('unavailable', 'the history of the store broke once more: resync once more')
    believe(membership, view.self.clusterUid, revision, wentBackTo)
    return written
  }
  const believeAgain = async (started: Started, caller: AbortSignal): Promise<WrittenBack> => {
    // Who examines it waits no longer; what else finds that history broke, until it is read anew, is no news.
    examinations++
    beliefs++
    isBelieving = true
    guard.set('view', 'the store is read anew, as "overlayctl node resync" asked')
    const end = () => {
      beliefs++
      isBelieving = false
    }
    try {
      const written = await rewrite(started, caller)
      end()
      guard.set('view', undefined)
      keepOthers(started)
      return written
    } catch (error) {
      end()
      historyBroken(started.parts.sync, started.membership)
      throw error
    }
  }

  const resyncNow = async ({ discard }: ResyncRequest, caller: AbortSignal): Promise<ResyncResponse> => {
    if (!running) {
      // Told at once: no answer, or another cluster's.
      if (!(await examine(true))) throw notOurs(guard)
      accepted = true
    }
    const started = running ?? (await whileAsked(hasStarted, caller))
    const { parts } = started
    const before = atStart?.restored ?? []
    atStart = undefined
    // The doubt that is written down counts, too: one that came while the agent got in sync.
    const isInDoubt = guard.distrust() !== undefined || stateDir.readMemory()?.doubt !== undefined
    const written = isInDoubt ? await believeAgain(started, caller) : await writeBackRunning(parts)
    const discarded = discard ? await discardLeft(parts, written.left) : []
    settleAll(parts).catch((error: unknown) => log.error({ err: error }, 'settling failed'))
    const gone = new Set(discarded.map(({ id }) => id))
    const left = written.left.filter(({ id }) => !gone.has(id)).map(({ text }) => text)
    const restored = [...before, ...written.restored]
    log.info({ restored: restored.map(({ id }) => id), discarded: [...gone], left }, 'resynced')
    return ResyncResponse.create({ node, restored, discarded: [...discarded], left })
  }

  return {
    gained: () => gained(),
    historyBroken,
    async starting(membership, living) {
      const { doubt, clusterUid = '', wentBackTo } = stateDir.readMemory() ?? {}
      if (wentBackTo !== undefined) guard.set('others', othersDoubt([]))
      if (!accepted || doubt === undefined) return
      const patience = { signal, worthwhile: isPassing, backoff: { first: 100, most: 2_000 } }
      const { revision } = await retry(() => store.probe(), patience)
      const parts = { store, registration: membership.registration() }
      atStart = await retry(() => writeBackAll(parts, living), patience)
      believe(membership, clusterUid, revision, wentBackTo ?? revision)
    },
    started(parts, membership) {
      running = { parts, membership }
      accepted = false
      tellStarted(running)
      keepOthers(running)
    },
    async resync(request, caller) {
      const now = resyncing.then(() => {
        if (caller.aborted) throw new OverlayError('deadline', 'the caller gave up before its turn: nothing was begun')
        return resyncNow(request, caller)
      })
      resyncing = now.catch(() => undefined)
      return whileAsked(now, caller)
    },
  }
}

function notOurs(guard: Guard): OverlayError {
  return new OverlayError(
    'failed_precondition',
    `that is no older state of this node's cluster, and nothing is written back to it: ${guard.reason() ?? 'the store is in doubt'}`,
  )
}
