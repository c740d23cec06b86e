/** How long an attach takes, beside what the kernel and etcd need for it. */
import { createLab, type Lab } from '../lab/lab.ts'
import type { AttachInput, AttachOutput } from './attach-worker.ts'
import { type Benchmark, type Figure, median, quantile } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'

const rounds = 100
/** Rounds before those: an agent lives for weeks, its first hundred calls are not what it costs. */
const warmUp = 100

export const attach: Benchmark = {
  name: 'attach',
  about: "attach through the agent's socket, against the same kernel work and one transaction alone",
  async run() {
    await using lab = await createLab({ hosts: 2 })
    await lab.etcd.start()
    await Promise.all(lab.controllers.map((each) => each.start()))
    await lab.host(1).agent.start()
    return [...(await at(lab, 'small', 10)), ...(await at(lab, 'large', 5_000))]
  },
}

async function at(lab: Lab, network: string, endpoints: number): Promise<readonly Figure[]> {
  const host = lab.host(1)
  await host.overlayctlJson(
    'create',
    network,
    '--mtu',
    '1450',
    '--subnet',
    network === 'small' ? '10.20.0.0/16' : '10.30.0.0/16',
  )
  await runWorker(host, 'populate-worker', { etcd: lab.etcd.url, network, count: endpoints } satisfies PopulateInput)
  const names = Array.from({ length: warmUp + rounds + 1 }, (_, round) => `${network}-${round}`)
  const forAgent = await lab.sandboxes(names.map((name) => `a-${name}`))
  const forKernel = await lab.sandboxes(names.map((name) => `k-${name}`))
  // On another host, without an agent: one that sees links come which are none of its own looks whether all is well.
  const output = await runWorker<AttachOutput>(lab.host(2), 'attach-worker', {
    etcd: lab.etcd.url,
    socket: host.agent.socket,
    network,
    warmUp,
    forAgent: forAgent.map(({ path }) => path),
    forKernel: forKernel.map(({ path }) => path),
  } satisfies AttachInput)
  const floor = median(output.kernel) + median(output.transaction)
  const of = `at ${endpoints} endpoints`
  const parts = `kernel ${median(output.kernel).toFixed(2)} + transaction ${median(output.transaction).toFixed(2)} ms`
  return [
    { bench: 'attach', what: `attach ${of}, median of ${rounds}`, value: median(output.attach), unit: 'ms' },
    { bench: 'attach', what: `attach ${of}, p95`, value: quantile(output.attach, 0.95), unit: 'ms' },
    {
      bench: 'attach',
      what: `attach ${of}, against its floor`,
      value: median(output.attach) / floor,
      unit: 'x',
      atMost: 1.5,
      note: parts,
    },
    { bench: 'attach', what: `first attach of the network on the host ${of}`, value: output.first, unit: 'ms' },
  ]
}
