/** One agent's life: trust the store, enter the cluster, get in sync, then keep the kernel as planned. */
import { OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import { pause, retry } from '../lib/retry.ts'
import type { AgentStatus, DetachRequest, DetachResponse } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { buildParts } from './build-parts.ts'
import { detach } from './endpoint/detach.ts'
import { type AloneParts, detachAlone } from './endpoint/detach-alone.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { releaseFormerBoots, settleAll } from './endpoint/settle.ts'
import { createGuard } from './guard.ts'
import { getInSync, untilAnswered } from './in-sync.ts'
import type { Kernel } from './kernel/kernel.ts'
import type { LinuxKernelOptions } from './kernel/linux.ts'
import { examineStore } from './node/cluster-trust.ts'
import { type Resolver, reportOf } from './node/host-routes.ts'
import { type HostRoutesReporter, reportHostRoutes } from './node/host-routes-reporter.ts'
import { enterCluster, type Membership } from './node/membership.ts'
import { refuseOtherName, rememberSeen } from './node/memory.ts'
import type { StateDir } from './node/state-dir.ts'
import { chooseVtep } from './node/vtep.ts'
import type { AgentOptions } from './options.ts'
import { agentStatus } from './status.ts'
import type { Sync } from './view/sync.ts'

/** How often the whole kernel is compared with the whole plan, in milliseconds. */
const auditInterval = 60_000
/** How often the node's memory is written, if there is anything new, in milliseconds. */
const memoryInterval = 1_000

export interface AgentParts {
  readonly options: AgentOptions
  readonly store: Store
  readonly stateDir: StateDir
  /** What is known of this node before it has a VTEP address. */
  readonly identity: {
    readonly uid: string
    readonly bootId: string
    readonly machineId: string
    readonly version: string
  }
  /** Called once the cluster is known: objects of other clusters are not ours. */
  readonly createKernel: (options: LinuxKernelOptions) => Kernel
  /** The name servers that this host asks now. */
  readonly readResolvers: () => readonly Resolver[]
  /** Begins to tell when the host's routes or addresses may have changed, until the signal aborts. */
  readonly monitorHostRoutes: (changed: () => void) => void
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface Agent {
  /** @throws OverlayError `unavailable` until the agent is in sync. */
  readonly parts: () => EndpointParts
  readonly status: () => AgentStatus
  /** Also while it is not in sync, by what the kernel shows. */
  readonly detach: (request: DetachRequest) => Promise<DetachResponse>
  /**
   * Gets in sync and keeps the kernel as planned; resolves when the first audit
   * is done.
   * @throws OverlayError when this node may not enter the cluster.
   */
  readonly run: () => Promise<void>
  /** Closes the session and writes what the next run has to know. */
  readonly close: () => Promise<void>
}

export function createAgent(agentParts: AgentParts): Agent {
  const { options, store, stateDir, identity, createKernel, readResolvers, monitorHostRoutes, signal, log } = agentParts
  const guard = createGuard(log, () => void running?.reconciler.audit().catch(() => undefined))
  let running: EndpointParts | undefined
  let reporter: HostRoutesReporter | undefined
  let alone: (AloneParts & { readonly kernel: Kernel }) | undefined
  const detachingAlone = new Set<Promise<DetachResponse>>()
  let waitingFor: OverlayError | undefined
  let generation: () => number | undefined = () => undefined
  let membershipLeft = async (): Promise<void> => undefined
  let node = { ...identity, name: options.node, vtepAddress: '', underlayMtu: 0 }

  const trust = (worthwhile = () => true) =>
    retry(
      async () => {
        const uid = await examineStore(store, stateDir, guard)
        if (uid) return uid
        throw new OverlayError('failed_precondition', guard.reason() ?? 'the store is in doubt')
      },
      {
        signal,
        worthwhile,
        backoff: { first: 200, most: 3_000 },
        onRetry: (error) => {
          const problem = OverlayError.from(error)
          if (problem.message !== waitingFor?.message) log.warn({ err: problem }, 'waiting for the store')
          waitingFor = problem
        },
      },
    )

  /** The store has another history than before: it is believed again when it was examined and then read anew. */
  let examinations = 0
  const examineAgain = async (sync: Sync, membership: Membership) => {
    const examination = ++examinations
    // What was seen last, not what was written down last, tells whether history went back.
    writeMemory()
    guard.set('view', 'the store has another history than before: it is being examined and read anew')
    const isLast = () => examination === examinations
    const uid = await untilAnswered(() => examineStore(store, stateDir, guard), signal)
    // Of an older state of the own cluster what it adds is taken in all the same.
    if (!uid && !guard.isForeign() && isLast()) await sync.readAnew()
    if (!uid) await trust(isLast)
    if (isLast()) await sync.readAnew()
    const own = await untilAnswered(() => store.get(store.keys.node(options.node)), signal)
    // History broke once more meanwhile: the examination that began then goes on.
    if (!isLast()) return
    guard.set('view', undefined)
    membership.ownNodeSeen(own)
    if (running) await settleAll(running)
  }

  const writeMemory = () => {
    if (!running || guard.reason()) return
    const { clusterUid } = running.view.self
    const seen = { clusterUid, revision: running.sync.revision(), generation: generation(), node: options.node }
    rememberSeen(stateDir, seen, log)
  }

  /** What a former run has left in the kernel can be taken down before the store is there. */
  const wakeAlone = () => {
    const clusterUid = stateDir.readMemory()?.clusterUid
    if (clusterUid === undefined) return
    const kernel = createKernel({ clusterUid, vxlanPort: options.vxlanPort, log })
    alone = { kernel, stateDir, clusterUid, node: options.node, bootId: identity.bootId }
  }

  const run = async () => {
    refuseOtherName(stateDir, options.node)
    wakeAlone()
    const clusterUid = await trust()
    waitingFor = undefined
    const kernel = alone?.kernel ?? createKernel({ clusterUid, vxlanPort: options.vxlanPort, log })
    const others = (await untilAnswered(() => store.list(store.keys.nodes), signal)).entries
      .filter(({ value }) => value.name !== options.node)
      .map(({ value }) => parseIp(value.vtepAddress))
    const vtep = chooseVtep(kernel, { address: options.vtepAddress, interface: options.vtepInterface }, others)
    node = { ...node, vtepAddress: vtep.address, underlayMtu: vtep.mtu }
    const membership = await enterCluster({
      store,
      node,
      sessionTtl: options.sessionTtl,
      guard,
      signal,
      log,
      onRegisteredAnew: () => {
        running?.sync.withheld.review()
        if (running) settleAll(running).catch((error: unknown) => log.error({ err: error }, 'settling failed'))
        reporter?.changed()
      },
    })
    generation = membership.generation
    membershipLeft = membership.left
    const self = {
      node: options.node,
      clusterUid,
      bootId: identity.bootId,
      vtep: vtep.address,
      underlayMtu: vtep.mtu,
      vxlanPort: options.vxlanPort,
    }
    const onHistoryBroken = (sync: Sync) =>
      void examineAgain(sync, membership).catch((error: unknown) => log.info({ err: error }, 'examination ended'))
    // From here on intents are taken up: an own detach waits until all is in sync.
    alone = undefined
    await Promise.allSettled(detachingAlone)
    const parts = buildParts({ store, stateDir, guard, kernel, self, membership, onHistoryBroken, signal, log })
    const generationBefore = membership.generation()
    await getInSync(parts, () => stateDir.readMemory()?.generation === membership.generation())
    await parts.reconciler.audit().catch((error: unknown) => log.warn({ err: error }, 'first audit left problems'))
    reporter = reportHostRoutes({
      store,
      node: options.node,
      registration: membership.registration,
      guard,
      look: async () => reportOf(await kernel.hostRoutes(), readResolvers()),
      signal,
      log,
    })
    monitorHostRoutes(reporter.changed)
    // Once the agent is ready, no subnet is chosen that lies on its routes.
    await reporter.attempted
    running = parts
    if (membership.generation() !== generationBefore) parts.sync.withheld.review()
    writeMemory()
    releaseFormerBoots(parts).catch((error: unknown) => log.error({ err: error }, 'former boot not released'))
    settleAll(parts).catch((error: unknown) => log.error({ err: error }, 'settling failed'))
    every(auditInterval, signal, () => parts.reconciler.audit().catch(() => undefined))
    every(memoryInterval, signal, async () => writeMemory())
  }

  const parts = () => {
    if (running) return running
    const why = guard.reason() ?? waitingFor?.message ?? 'reading the store'
    throw new OverlayError('unavailable', `the agent is not in sync yet: ${why}`)
  }

  return {
    run,
    parts,
    async detach(request) {
      if (!alone) return detach(parts(), request)
      const detaching = detachAlone(alone, request)
      detachingAlone.add(detaching)
      return detaching.finally(() => detachingAlone.delete(detaching))
    },
    status: () => agentStatus({ guard, node, parts: running, waitingFor }),
    async close() {
      writeMemory()
      await Promise.race([membershipLeft(), pause(1_000)])
    },
  }
}

function every(milliseconds: number, signal: AbortSignal, action: () => Promise<void>): void {
  const loop = async () => {
    while (!signal.aborted) {
      await pause(milliseconds, signal)
      if (!signal.aborted) await action()
    }
  }
  void loop()
}
