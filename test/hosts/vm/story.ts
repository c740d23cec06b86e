/** One cluster across three machines, from the first daemon to the last endpoint. */
import assert from 'node:assert/strict'
import { type JsonObject, Network } from '../../../proto/index.ts'
import { passesWhole } from '../../lab/ping.ts'
import { overlayctlJson, untilNodesLive } from '../cluster.ts'
import type { Step } from '../step.ts'
import { deadline, untilAllAnswer } from './cluster-view.ts'
import { startDaemons } from './daemons.ts'
import { cutOff, cutPower, killController, rebootFirst, type Scene } from './faults.ts'
import type { Machines } from './machines.ts'
import { attachWorkload, detachWorkload, execIn, type Workload } from './workload.ts'

const network = 'web'
/** Bytes: those of the machines' network, less VXLAN's. */
const mtu = 1450

/** Plays it, step by step. @throws what the first step that fails threw. */
export async function playStory(machines: Machines, step: Step): Promise<void> {
  const [n1, n2, n3] = [machines.machine(1), machines.machine(2), machines.machine(3)]
  await step('each has a boot of its own, of kernel 6.1', () => expectOwnKernels(machines))
  const daemons = await step('etcd, two controllers and three agents start, with TLS', async () => {
    const started = await startDaemons(machines.all)
    await untilNodesLive(n1, machines.all, deadline)
    return started
  })
  await step('a network is created', async () => {
    const created = await overlayctlJson<JsonObject>(n1, 'create', network, '--subnet', '10.0.9.0/24')
    assert.equal(Network.fromJson(created).mtu, mtu)
  })
  const [a, b, c] = await step('of an endpoint on each, everyone answers everyone', async () => {
    const attached = await Promise.all([
      attachWorkload(n1, network, 'a'),
      attachWorkload(n2, network, 'b'),
      attachWorkload(n3, network, 'c'),
    ])
    await untilAllAnswer(attached)
    return attached
  })
  await step('packets of the whole MTU pass, and none larger', async () => {
    assert.equal(await passesWhole(a.sandbox, b.address, mtu), true)
    assert.equal(await passesWhole(a.sandbox, b.address, mtu + 1), false)
  })
  await step('TCP and UDP flow', () => expectFlow(a, b))
  const scene: Scene = { machines, daemons, network, a, b, c }
  await step('a machine is cut off: the others lose nothing, and it learns what happened meanwhile', () =>
    cutOff(scene),
  )
  await step('a controller is killed: nothing is lost, the other one serves', () => killController(scene))
  const c2 = await step('a power cut: the others lose nothing, and the host comes back', () => cutPower(scene))
  const a2 = await step('the host of etcd boots anew: the others lose nothing, and it comes back', () =>
    rebootFirst({ ...scene, c: c2 }),
  )
  await step('detach and rm leave nothing in any kernel', async () => {
    for (const workload of [a2, b, c2]) await detachWorkload(workload)
    await overlayctlJson(n2, 'rm', network)
    for (const machine of machines.all) assert.doesNotMatch(await machine.exec('ip -o link'), /: ov/)
  })
}

async function expectOwnKernels({ all }: Machines): Promise<void> {
  const boots = await Promise.all(all.map((each) => each.exec('uname -r; cat /proc/sys/kernel/random/boot_id')))
  for (const boot of boots) assert.match(boot, /^6\.1\./)
  assert.equal(new Set(boots).size, boots.length)
}

/** A short while each: that something flows, not how fast. */
async function expectFlow(from: Workload, to: Workload): Promise<void> {
  await to.machine.exec(`ip netns exec ${to.name} iperf3 --server --daemon`)
  for (const protocol of ['', '--udp --bitrate 1M']) {
    const report = await execIn(from, `iperf3 --client ${to.address} --time 3 --json ${protocol}`)
    const { end } = JSON.parse(report) as { end: { sum_received?: { bytes: number }; sum?: { bytes: number } } }
    const { bytes = 0 } = end.sum_received ?? end.sum ?? {}
    assert.ok(bytes > 100_000, `iperf3 ${protocol} brought ${bytes} bytes in 3 s`)
  }
}
