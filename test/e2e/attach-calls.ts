/** Many calls to agents' sockets at once, as a runtime that starts many workloads makes them. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { AgentService, type Endpoint } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Netns } from '../lab/netns.ts'

export interface Workload {
  readonly host: Host
  readonly sandbox: Netns
}

export interface Attempt extends Workload {
  /** Undefined when it was refused. */
  readonly endpoint: Endpoint | undefined
  readonly error: OverlayError | undefined
  /** Until the answer. */
  readonly milliseconds: number
}

/** Later than any answer is allowed to be. */
const timeout = 60_000

/**
 * Starts one attach for each workload at once; resolves when all are answered.
 * `onAnswer` is told, at once, how many are.
 */
export function attachAll(
  network: string,
  workloads: readonly Workload[],
  onAnswer: (answered: number) => void = () => undefined,
): Promise<readonly Attempt[]> {
  let answered = 0
  return onSockets(workloads, async (agent, workload) => {
    const started = performance.now()
    const answer = await agent
      .attach({ network, netns: workload.sandbox.path }, { timeout })
      .catch((error: unknown) => OverlayError.from(error))
    const milliseconds = performance.now() - started
    onAnswer(++answered)
    return answer instanceof OverlayError
      ? { ...workload, endpoint: undefined, error: answer, milliseconds }
      : { ...workload, endpoint: answer.endpoint ?? undefined, error: undefined, milliseconds }
  })
}

/** One attach, without the start of an overlayctl. @throws OverlayError when it is refused. */
export async function attach(network: string, workload: Workload): Promise<Endpoint> {
  const [attempt] = await attachAll(network, [workload])
  if (attempt?.endpoint) return attempt.endpoint
  throw attempt?.error ?? new Error('an answer without an endpoint')
}

/** Detaches all at once. @throws OverlayError when one is refused. */
export async function detachAll(attached: readonly { host: Host; endpoint: Endpoint }[]): Promise<void> {
  await onSockets(attached, (agent, { endpoint }) => agent.detach({ endpointId: endpoint.id }, { timeout }))
}

/** Makes sure that it is not attached. @throws OverlayError when that is refused. */
export async function detachIfThere(host: Host, endpointId: string): Promise<void> {
  await onSockets([{ host }], (agent) =>
    agent.detach({ endpointId }, { timeout }).catch((error: unknown) => {
      if (!hasCode(error, 'not_found')) throw error
    }),
  )
}

/** The attempts that were answered with an endpoint. */
export function accepted(attempts: readonly Attempt[]): readonly (Attempt & { endpoint: Endpoint })[] {
  return attempts.flatMap(({ endpoint, ...attempt }) => (endpoint ? [{ ...attempt, endpoint }] : []))
}

type Calls = ReturnType<typeof callsOf>['calls']

/** One connection to each agent for all calls to it. */
async function onSockets<W extends { host: Host }, T>(all: readonly W[], call: (agent: Calls, one: W) => Promise<T>) {
  const connections = new Map([...new Set(all.map(({ host }) => host))].map((host) => [host, callsOf(host)]))
  try {
    return await Promise.all(
      all.map((one) => {
        const connection = connections.get(one.host)
        if (!connection) throw new Error(`no connection to ${one.host.name}`)
        return call(connection.calls, one)
      }),
    )
  } finally {
    for (const { close } of connections.values()) close()
  }
}

function callsOf({ agent }: Host) {
  const client = agent.connect()
  return { calls: client.service(AgentService), close: () => client.close() }
}
