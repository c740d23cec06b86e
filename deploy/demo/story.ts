/** The demo, from top to bottom. */
import { type JsonObject, Network } from '../../proto/index.ts'
import { startCapture } from '../../test/lab/capture.ts'
import { createLab, type Lab } from '../../test/lab/lab.ts'
import { pingMatrix } from '../../test/lab/ping.ts'
import { removeLab } from '../../test/lab/residue.ts'
import { until } from '../../test/lab/until.ts'
import { hostState } from './host-state.ts'
import { matrixTable, packetLines } from './pictures.ts'
import { step } from './step.ts'
import { thingsToTry } from './things-to-try.ts'
import { attachWorkloads, type Workload } from './workloads.ts'
import { writeWrappers } from './wrappers.ts'

export const demoName = 'demo'
const network = 'web'

/**
 * Leaves the cluster running behind it.
 * @throws Error of the step that failed.
 */
export async function tellStory(): Promise<void> {
  const lab = await step('Three hosts, joined by an underlay (namespaces of this machine)', async () => {
    removeLab(demoName)
    return createLab({ name: demoName, hosts: 3, keep: true })
  })
  await step('etcd', () => lab.etcd.start())
  for (const controller of lab.controllers) await step('The controller', () => controller.start())
  for (const host of lab.hosts) await step(`The agent on ${host.name}, VTEP ${host.address}`, () => host.agent.start())
  const wrappers = writeWrappers(lab)

  const create = ['create', '--subnet', '10.0.9.0/24', network]
  await step(
    `A network: overlayctl ${create.join(' ')}`,
    () => printed(lab, create),
    (output) => output,
  )
  const vni = await vniOf(lab)
  const workloads = await step(
    'Two workloads on each host: overlayctl attach',
    () => attachWorkloads(lab, network),
    (all) => all.map(({ name, host, address }) => `${name} on ${host.name}: ${address}`).join('\n'),
  )
  await step(
    'Everyone pings everyone',
    () => everyPair(workloads),
    (answered) => matrixTable(workloads, answered),
  )
  await step('A ping on the wire, seen on the underlay of h1', () => pingOnTheWire(lab, workloads), packetLines)
  await step(
    'What h1 holds',
    () => hostState(lab.host('h1'), vni),
    (text) => text,
  )
  process.stdout.write(`${thingsToTry({ wrappers, workloads, network, vni })}\n`)
}

async function printed(lab: Lab, args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await lab.host(1).overlayctl(...args)
  if (exitCode !== 0) throw new Error(`overlayctl ${args.join(' ')} ended with ${exitCode}: ${stderr}`)
  return stdout
}

async function vniOf(lab: Lab): Promise<number> {
  const networks = (await lab.overlayctlJson<JsonObject[]>('ls')).map((json) => Network.fromJson(json))
  const found = networks.find(({ name }) => name === network)
  if (!found) throw new Error(`overlayctl ls does not show the network ${network}`)
  return found.vni
}

async function everyPair(workloads: readonly Workload[]): Promise<readonly (readonly boolean[])[]> {
  let answered: readonly (readonly boolean[])[] = []
  await until(
    async () => {
      answered = await pingMatrix(workloads)
      return answered.flat().every(Boolean)
    },
    { what: 'every pair to answer', deadline: 5_000, detail: () => matrixTable(workloads, answered) },
  )
  return answered
}

async function pingOnTheWire(lab: Lab, workloads: readonly Workload[]) {
  const h1 = lab.host('h1')
  const from = workloads.find(({ host }) => host.name === 'h1')
  const to = workloads.find(({ host }) => host.name === 'h2')
  if (!from || !to) throw new Error('there is no workload on h1 or h2')
  const capture = await startCapture(h1, lab.directory, { filter: 'udp port 4789' })
  await from.sandbox.exec(['ping', '-c', '2', '-i', '0.2', '-W', '1', to.address])
  const packets = await (await capture.stop()).vxlan()
  if (packets.length === 0) throw new Error('the ping was answered, but no VXLAN packet was seen on the underlay of h1')
  return packets
}
