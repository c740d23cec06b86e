/** One agent's life: trust the store, enter the cluster, get in sync, then keep the kernel as planned. */
import { OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import { pause } from '../lib/retry.ts'
import type { DetachResponse } from '../proto/index.ts'
import type { Agent, AgentParts } from './agent-parts.ts'
import { buildParts } from './build-parts.ts'
import { auditsAfterChanges } from './drift/audits.ts'
import { Repairs } from './drift/repairs.ts'
import { watchKernel } from './drift/watch-kernel.ts'
import { detach } from './endpoint/detach.ts'
import { type AloneParts, detachAlone } from './endpoint/detach-alone.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { releaseFormerBoots, settleAll } from './endpoint/settle.ts'
import { createGuard } from './guard.ts'
import { getInSync } from './in-sync.ts'
import type { Kernel, KernelChanges } from './kernel/kernel.ts'
import { createDiary, livingInKernel } from './living.ts'
import { reportOf } from './node/host-routes.ts'
import { type HostRoutesReporter, reportHostRoutes } from './node/host-routes-reporter.ts'
import { takeDownFormer, takeDownLost, takeDownUnregistered } from './node/lost.ts'
import { enterCluster, type Membership } from './node/membership.ts'
import { refuseOtherName, rememberSeen } from './node/memory.ts'
import { followUnderlay, underlayAtStart } from './node/underlay.ts'
import type { VtepWatch } from './node/vtep-watch.ts'
import { makeRounds } from './rounds.ts'
import { agentState, agentStatus } from './status.ts'
import { createTrust } from './trust.ts'

export function createAgent(agentParts: AgentParts): Agent {
  const { options, store, stateDir, identity, createKernel, readResolvers, onHolding, otherProblems, signal, log } =
    agentParts
  const repairs = new Repairs(log)
  const guard = createGuard(log, () => void running?.reconciler.audit().catch(() => undefined))
  let running: EndpointParts | undefined
  /** The same, while it is not in sync yet. */
  let built: EndpointParts | undefined
  let vtepWatch: VtepWatch | undefined
  let reporter: HostRoutesReporter | undefined
  let alone: (AloneParts & { readonly kernel: Kernel }) | undefined
  const detachingAlone = new Set<Promise<DetachResponse>>()
  let waitingFor: OverlayError | undefined
  let generation: () => number | undefined = () => undefined
  let membershipLeft = async (): Promise<void> => undefined
  const vtepChoice = { address: options.vtepAddress, interface: options.vtepInterface }
  const addressListeners = new Set<() => void>()
  let node = {
    ...identity,
    name: options.node,
    vtepAddress: '',
    underlayMtu: 0,
    sessionTtl: options.sessionTtl,
  }

  const noteLiving = createDiary(stateDir, log)
  const writeMemory = () => {
    if (!running || guard.reason()) return
    const { clusterUid } = running.view.self
    const seen = { clusterUid, revision: running.sync.revision(), generation: generation(), node: options.node }
    rememberSeen(stateDir, seen, log)
  }

  const trust = createTrust({
    store,
    stateDir,
    guard,
    node: options.node,
    resync: options.resync,
    signal,
    log,
    onHolding: () => onHolding?.(),
    onWaiting: (why) => {
      if (why.message !== waitingFor?.message) log.warn({ err: why }, 'waiting for the store')
      waitingFor = why
    },
    remember: writeMemory,
  })

  /** What a former run has left in the kernel can be taken down before the store is there. */
  const wakeAlone = () => {
    const clusterUid = stateDir.readMemory()?.clusterUid
    if (clusterUid === undefined) return
    const kernel = createKernel({ clusterUid, vxlanPort: options.vxlanPort, log })
    alone = { kernel, stateDir, clusterUid, node: options.node, bootId: identity.bootId }
  }

  /** Asks the store for what there is of this node, before it enters. */
  const lookAround = async (kernel: Kernel, clusterUid: string) => {
    const { vtep, isRegistered } = await underlayAtStart({ store, node: options.node, signal }, kernel, vtepChoice)
    node = { ...node, vtepAddress: vtep.address, underlayMtu: vtep.mtu }
    const memory = stateDir.readMemory()
    // A store that went back may lack this node's record all the same.
    if (!isRegistered && memory?.generation && memory.doubt === undefined)
      await takeDownUnregistered(kernel, clusterUid, log)
  }

  const enter = () =>
    enterCluster({
      store,
      node,
      sessionTtl: options.sessionTtl,
      guard,
      signal,
      log,
      onWaiting: (why) => {
        waitingFor = why
      },
      onEvicted: async () => {
        if (built) await takeDownLost(built)
      },
      onRegisteredAnew: (registered) => {
        waitingFor = undefined
        built?.reconciler.mark(built.view.setSelf({ generation: registered }))
        running?.sync.withheld.review()
        if (running) settleAll(running).catch((error: unknown) => log.error({ err: error }, 'settling failed'))
        reporter?.changed()
      },
    })

  const build = (kernel: Kernel, clusterUid: string, membership: Membership) =>
    buildParts({
      store,
      stateDir,
      guard,
      kernel,
      self: {
        node: options.node,
        clusterUid,
        bootId: identity.bootId,
        vtep: parseIp(node.vtepAddress),
        underlayMtu: node.underlayMtu,
        vxlanPort: options.vxlanPort,
        generation: membership.generation(),
      },
      membership,
      sandboxGrace: options.sandboxGrace,
      onHistoryBroken: (sync) => trust.historyBroken(sync, membership),
      onMended: (findings) => repairs.note(findings),
      signal,
      log,
    })

  /** Nothing is written to the kernel before the view has all. */
  const catchUp = async (parts: EndpointParts, membership: Membership) => {
    const living = await livingInKernel(parts.kernel, stateDir, parts.view.self)
    await trust.starting(membership, living)
    await getInSync(parts, () => stateDir.readMemory()?.generation === membership.generation(), living)
    await takeDownFormer(parts, stateDir.readMemory()?.generation ?? 0)
  }

  /** From here on nothing is missed that somebody else changes, and audits may begin. */
  const watchHost = async ({ kernel, reconciler }: EndpointParts, { registration }: Membership) => {
    const audit = auditsAfterChanges({ audit: () => reconciler.audit(), signal })
    const changed = (changes: KernelChanges) => {
      if (changes.ours || changes.firewall) audit()
      if (changes.host) reporter?.changed()
      if (changes.host) vtepWatch?.changed()
    }
    watchKernel(kernel, changed, { signal, log })
    await reconciler.audit().catch((error: unknown) => log.warn({ err: error }, 'first audit left problems'))
    const look = async () => reportOf(await kernel.hostRoutes(), readResolvers())
    reporter = reportHostRoutes({ store, node: options.node, registration, guard, look, signal, log })
    // Once the agent is ready, no subnet is chosen that lies on its routes.
    await reporter.attempted
  }

  /** What a running agent does by itself. */
  const keepUp = (parts: EndpointParts, membership: Membership) => {
    writeMemory()
    releaseFormerBoots(parts).catch((error: unknown) => log.error({ err: error }, 'former boot not released'))
    settleAll(parts).catch((error: unknown) => log.error({ err: error }, 'settling failed'))
    vtepWatch = followUnderlay(parts, membership, vtepChoice, {
      onOtherAddress() {
        for (const listener of addressListeners) listener()
      },
      onChange: (change) => {
        node = { ...node, ...change }
      },
    })
    makeRounds(parts, repairs, () => {
      writeMemory()
      noteLiving(parts)
    })
  }

  const run = async () => {
    refuseOtherName(stateDir, options.node)
    wakeAlone()
    const clusterUid = await trust.gained()
    waitingFor = undefined
    const kernel = alone?.kernel ?? createKernel({ clusterUid, vxlanPort: options.vxlanPort, log })
    await lookAround(kernel, clusterUid)
    const membership = await enter()
    waitingFor = undefined
    generation = membership.generation
    membershipLeft = membership.left
    const generationBefore = membership.generation()
    // From here on intents are taken up: an own detach waits until all is in sync.
    alone = undefined
    await Promise.allSettled(detachingAlone)
    const parts = build(kernel, clusterUid, membership)
    built = parts
    await catchUp(parts, membership)
    await watchHost(parts, membership)
    running = parts
    trust.started(parts, membership)
    if (membership.generation() !== generationBefore) parts.sync.withheld.review()
    keepUp(parts, membership)
  }

  const parts = () => {
    if (running) return running
    const why = guard.reason() ?? waitingFor?.message ?? 'reading the store'
    throw new OverlayError('unavailable', `the agent is not in sync yet: ${why}`)
  }

  return {
    run,
    parts,
    onRepairs: (listener) => repairs.onTold(listener),
    onOtherAddress(listener) {
      addressListeners.add(listener)
      return () => addressListeners.delete(listener)
    },
    async detach(request, caller = signal) {
      if (!alone) return detach(parts(), request, caller)
      const detaching = detachAlone(alone, request)
      detachingAlone.add(detaching)
      return detaching.finally(() => detachingAlone.delete(detaching))
    },
    async resync(request, caller = signal) {
      const answer = await trust.resync(request, caller)
      reporter?.changed()
      return answer
    },
    state: () => agentState({ guard, parts: running, waitingFor }),
    status: () =>
      agentStatus({
        guard,
        node,
        parts: running,
        waitingFor,
        vtepProblem: vtepWatch?.problem(),
        otherProblems: otherProblems?.() ?? [],
      }),
    async close() {
      writeMemory()
      if (running) noteLiving(running)
      await Promise.race([membershipLeft(), pause(1_000)])
    },
  }
}
