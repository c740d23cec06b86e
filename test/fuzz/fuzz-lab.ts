/** The cluster that is fuzzed: two confined agents, and a network that has to work all the time. */
import type { Endpoint, Network } from '../../proto/index.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import type { Netns } from '../lab/netns.ts'
import { ping, startPinging } from '../lab/ping.ts'
import { until } from '../lab/until.ts'
import { pidInside, startConfined } from './confined-agent.ts'

export interface FuzzLab extends AsyncDisposable {
  readonly lab: Lab
  /** Sandboxes for requests to plug into. */
  readonly targets: readonly Netns[]
  readonly canary: { readonly network: Network; readonly endpoints: readonly Endpoint[] }
  /** Attached to nothing yet: for the last look. */
  readonly spare: Netns
  /** By what they are called. */
  readonly daemons: ReadonlyMap<string, { readonly pid: number; readonly log: string }>
  /**
   * The last look: all daemons live and are ready, a new attach reaches the others,
   * and no packet was lost meanwhile.
   * @returns how many were sent.
   */
  finish(): Promise<number>
}

const canaryName = 'canary'

export async function createFuzzLab(): Promise<FuzzLab> {
  const lab = await createLab({ hosts: 2 })
  try {
    return await prepare(lab)
  } catch (error) {
    await lab.down()
    throw error
  }
}

async function prepare(lab: Lab): Promise<FuzzLab> {
  const [h1, h2] = [lab.host(1), lab.host(2)]
  const names = (what: string, count: number) => Array.from({ length: count }, (_, n) => `${what}${n}`)
  const targets = await lab.sandboxes(names('target', 6))
  const [inA, inB, spare] = await lab.sandboxes(names(canaryName, 3))
  if (!inA || !inB || !spare) throw new Error('three sandboxes were asked for')
  await Promise.all(lab.etcdMembers.map((each) => each.start()))
  await Promise.all(lab.controllers.map((each) => each.start()))
  const visible = [...targets, inA, inB, spare]
  await Promise.all(lab.hosts.map((host) => startConfined(host, visible)))
  await lab.overlayctlJson('create', canaryName, '--subnet', '10.66.0.0/24', '--mtu', '1400')
  const endpoints = [await h1.attach(canaryName, inA), await h2.attach(canaryName, inB)]
  const network = await lab.overlayctlJson<Network>('inspect', canaryName)
  const addressOf = (at: number) => endpoints[at]?.addresses[0] ?? ''
  const pinging = await startPinging(inA, addressOf(1))
  const controller = lab.controllers[0]
  if (!controller) throw new Error('the lab has no controller')
  const { pid, log } = controller
  const daemons = new Map([
    ['controller', { pid, log }],
    ...lab.hosts.map((host) => [`agent on ${host.name}`, { pid: pidInside(host), log: host.agent.log }] as const),
  ])
  const pids = [...daemons.values()].map((daemon) => daemon.pid)
  return {
    lab,
    targets,
    canary: { network, endpoints },
    spare,
    daemons,
    async finish() {
      await Promise.all([...lab.hosts.map(({ agent }) => agent.ready()), controller.ready()])
      const now = [controller.pid, ...lab.hosts.map(pidInside)]
      if (now.join() !== pids.join()) throw new Error(`the daemons were ${pids.join()}, and are ${now.join()}`)
      await h2.attach(canaryName, spare)
      await until(() => ping(spare, addressOf(0)), { what: 'a sandbox that was attached last to reach the first' })
      const { sent, lost } = await pinging.stop()
      if (lost.length > 0) throw new Error(`${lost.length} of ${sent} packets were lost in network ${canaryName}`)
      return sent
    },
    [Symbol.asyncDispose]: () => lab.down(),
  }
}
