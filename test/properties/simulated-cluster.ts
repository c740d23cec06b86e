/**
 * A cluster whose programs may die between any two steps: agents with kernels
 * in memory and controllers, on records in a real etcd.
 */

import { answerQuestion } from '../../agent/questions.ts'
import { createHost, createTestAgent, type TestAgent, type TestHost } from '../../agent/testing/agent.ts'
import type { TestCluster } from '../../agent/testing/cluster.ts'
import { createMortal, type Mortal } from '../../agent/testing/crashing.ts'
import { checkIpam } from '../../controller/ipam/check.ts'
import { networkCreator } from '../../controller/networks/create.ts'
import { removeNetwork } from '../../controller/networks/remove.ts'
import { networkUpdater } from '../../controller/networks/update.ts'
import { drainNode, undrainNode } from '../../controller/nodes/drain.ts'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { parseCidr } from '../../lib/ip.ts'
import { pause } from '../../lib/retry.ts'
import { parseVni } from '../../lib/vni.ts'
import {
  Answer,
  CheckIpamRequest,
  type CheckIpamResponse,
  CreateNetworkRequest,
  DrainNodeRequest,
  type Init,
  Question,
  RemoveNetworkRequest,
  UndrainNodeRequest,
  UpdateNetworkRequest,
} from '../../proto/index.ts'

/** Where new networks come from, when no subnet is named. */
const space = {
  vnis: { min: parseVni(5000), max: parseVni(5999) },
  pools: [{ cidr: parseCidr('10.64.0.0/16'), size: 28 }],
}

/** One host: its agent may be dead, and is started again by `revive`. */
export interface SimulatedHost {
  readonly name: string
  readonly host: TestHost
  /** How long its endpoints outlive their sandboxes. */
  readonly graceSeconds: number
  agent: TestAgent
  life: Mortal
  /** That of the agent, and of those before it. */
  readonly lives: readonly Mortal[]
  /** Starts the agent again, if it is dead. */
  revive(): Promise<void>
  /** Ends what still runs of all its agents, dead or not. */
  end(): Promise<void>
}

/** One controller's way to work. Dead, it answers no more. */
export interface SimulatedController {
  readonly life: Mortal
  create(request: Init<CreateNetworkRequest>): Promise<void>
  update(request: Init<UpdateNetworkRequest>): Promise<void>
  remove(request: Init<RemoveNetworkRequest>): Promise<void>
  drain(request: Init<DrainNodeRequest>): Promise<void>
  undrain(request: Init<UndrainNodeRequest>): Promise<void>
  check(): Promise<CheckIpamResponse>
}

export interface SimulatedCluster {
  readonly hosts: readonly SimulatedHost[]
  controller(): SimulatedController
  /** Resolves when what the dead have still sent has arrived. */
  aftermath(): Promise<void>
  close(): Promise<void>
}

/** `onDetach` is told before an endpoint is detached on a controller's behalf. */
export async function simulateCluster(
  cluster: TestCluster,
  hostCount: number,
  onDetach: (endpointId: string) => void,
): Promise<SimulatedCluster> {
  const hosts = await Promise.all(Array.from({ length: hostCount }, (_, at) => simulateHost(cluster, at + 1)))
  const links = linksTo(hosts, onDetach)
  const controllers: Mortal[] = []
  return {
    hosts,
    controller() {
      const life = createMortal()
      controllers.push(life)
      const store = life.store(cluster.connect())
      const mortalLinks = {
        ...links,
        ask: (...question: Parameters<typeof links.ask>) => life.step(() => links.ask(...question)),
      }
      const parts = { store, links: mortalLinks }
      const { signal } = new AbortController()
      const createNetwork = networkCreator(store, { ...space, clusterUid: cluster.uid })
      const updateNetwork = networkUpdater(store)
      return {
        life,
        create: async (request) => void (await createNetwork(CreateNetworkRequest.create(request), signal)),
        update: async (request) => void (await updateNetwork(UpdateNetworkRequest.create(request), signal)),
        remove: async (request) =>
          void (await removeNetwork(store, mortalLinks, RemoveNetworkRequest.create(request), signal)),
        drain: async (request) => void (await drainNode(store, mortalLinks, DrainNodeRequest.create(request), signal)),
        undrain: async (request) => void (await undrainNode(store, UndrainNodeRequest.create(request))),
        check: () => checkIpam(parts, CheckIpamRequest.create(), signal),
      }
    },
    async aftermath() {
      await Promise.all([...controllers, ...hosts.flatMap(({ lives }) => lives)].map((life) => life.aftermath()))
    },
    async close() {
      await Promise.all(hosts.map((host) => host.end()))
    },
  }
}

async function simulateHost(cluster: TestCluster, n: number): Promise<SimulatedHost> {
  const host = createHost(n)
  // One lets go at once, the others not before the end.
  const graceSeconds = n === 1 ? 0 : 3_600
  const agents: TestAgent[] = []
  const lives: Mortal[] = []
  const start = async () => {
    const life = createMortal()
    lives.push(life)
    const agent = createTestAgent(cluster, host, { between: life, sandboxGrace: graceSeconds })
    agents.push(agent)
    await agent.agent.run()
    return { life, agent }
  }
  const simulated: SimulatedHost = {
    name: `host-${n}`,
    host,
    graceSeconds,
    lives,
    ...(await start()),
    async revive() {
      if (simulated.life.isDead) Object.assign(simulated, await start())
    },
    async end() {
      await Promise.all(agents.map((agent) => agent.kill()))
      host.remove()
    },
  }
  return simulated
}

/** As the agents' streams: a dead agent's questions end with its death. */
function linksTo(hosts: readonly SimulatedHost[], onDetach: (endpointId: string) => void) {
  const find = (node: string) => hosts.find(({ name, life }) => name === node && !life.isDead)
  const asked = async ({ agent, life }: SimulatedHost, question: Question, signal: AbortSignal) => {
    const death = life.death.then(() => Promise.reject(new OverlayError('unavailable', 'the agent died')))
    death.catch(() => undefined)
    return Answer.create(await Promise.race([answerQuestion(agent.parts, question, signal), death]))
  }
  return {
    isConnected: (node: string) => find(node) !== undefined,
    ask(node: string, question: Init<Question>, signal: AbortSignal): Promise<Answer> {
      const host = find(node)
      if (!host) return Promise.reject(new OverlayError('unavailable', `node ${node} has no connection`))
      if (question.detach) onDetach(question.detach.endpointId ?? '')
      return asked(host, Question.create(question), signal)
    },
  }
}

/** A refusal is an answer; what is said to be internal is a fault of ours. */
export async function unlessItDies<T>(
  { life }: { readonly life: Mortal },
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return (await Promise.race([action(), life.death])) ?? undefined
  } catch (error) {
    if (hasCode(error, 'internal') || !(error instanceof Error)) throw error
    return undefined
  }
}

/** Waits until no agent has anything open, or has to release, and all are members, up to a deadline. */
export async function untilSettled(hosts: readonly SimulatedHost[], milliseconds = 20_000): Promise<void> {
  const deadline = performance.now() + milliseconds
  const open = () =>
    hosts.flatMap(({ agent, graceSeconds, name }) => [
      ...agent.parts.intents.open(),
      ...(graceSeconds === 0 ? agent.parts.vanished.problems() : []),
      ...(agent.parts.view.self.generation === undefined ? [`${name} is not registered`] : []),
    ])
  while (open().length > 0) {
    if (performance.now() > deadline) throw new Error(`not settled: ${JSON.stringify(open())}`)
    await pause(5)
  }
}
