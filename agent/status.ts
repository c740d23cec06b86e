/** What the agent says of itself. */
import type { OverlayError } from '../lib/errors.ts'
import { AgentStatus, type Init, type Node } from '../proto/index.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { misfit } from './endpoint/wanted.ts'
import type { Guard } from './guard.ts'

export interface StatusParts {
  readonly guard: Guard
  readonly node: Init<Node>
  /** Undefined until the agent is in sync. */
  readonly parts: EndpointParts | undefined
  /** What it waits for until then, or to be registered anew. */
  readonly waitingFor: OverlayError | undefined
  /** What is amiss with the VTEP address. */
  readonly vtepProblem: string | undefined
  /** What is amiss beside the store and the kernel: certificates, for example. */
  readonly otherProblems: readonly string[]
}

/** How the agent is, in short. */
export function agentState({ guard, parts, waitingFor }: Pick<StatusParts, 'guard' | 'parts' | 'waitingFor'>) {
  const doubt = guard.reason()
  const away = parts?.health.problem()
  const state = doubt ? 'HOLDING' : parts === undefined ? 'SYNCING' : away ? 'DISCONNECTED' : 'READY'
  const reason = doubt ?? away?.message ?? (parts ? '' : (waitingFor?.message ?? 'reading the store'))
  return { state, reason } as const
}

export function agentStatus(given: StatusParts): AgentStatus {
  const { guard, node, parts, waitingFor, vtepProblem, otherProblems } = given
  const { state, reason } = agentState(given)
  if (!parts) return AgentStatus.create({ state, reason, node, problems: [...otherProblems] })
  const { view, sync, intents, reconciler, vanished } = parts
  const networks = [...sync.followed()].filter((network) => view.hasNetwork(network))
  const local = [...view.localEndpoints()].length
  const all = networks.reduce((sum, network) => sum + [...view.endpoints(network)].length, 0)
  return AgentStatus.create({
    state,
    reason,
    node,
    clusterUid: view.self.clusterUid,
    revision: sync.revision(),
    networks,
    localEndpointCount: local,
    remoteEndpointCount: Math.max(0, all - local),
    problems: [
      ...otherProblems,
      ...(state === 'HOLDING' ? [] : [guard.holdsBack() ?? []].flat()),
      ...(view.self.generation === undefined ? [unregistered(view.self.node, waitingFor)] : []),
      ...(vtepProblem ? [vtepProblem] : []),
      ...networks.flatMap((name) => misfit(view.self, view.network(name)) ?? []),
      ...vanished.problems(),
      ...Array.from(reconciler.problems(), ([key, error]) => `${key}: ${error.message}`),
    ],
    openIntents: intents.open().length,
  })
}

function unregistered(node: string, waitingFor: OverlayError | undefined): string {
  const why = waitingFor ? `, because ${waitingFor.message}` : ''
  return `node ${node} was removed from the cluster, and is not registered anew yet${why}`
}
