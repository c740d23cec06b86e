/** An agent that starts with many remote endpoints: until all are in the kernel. */
import { createLab } from '../lab/lab.ts'
import { type Benchmark, median, timed } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'

const count = 10_000
const rounds = 3

export const agentStart: Benchmark = {
  name: 'agent-start',
  about: `an agent starts with ${count} remote endpoints, of which the kernel knows none`,
  async run() {
    await using lab = await createLab({ hosts: 1 })
    await lab.start()
    const host = lab.host(1)
    await lab.overlayctlJson('create', 'web', '--subnet', '10.9.0.0/16')
    await host.attach('web', await lab.sandbox('own'))
    const links = JSON.parse(await host.exec('ip -j link show type vxlan')) as { ifname: string }[]
    const vxlan = links[0]?.ifname ?? ''
    const bridge = vxlan.replace('ovvx', 'ovbr')
    await host.agent.kill()
    await runWorker(host, 'populate-worker', { etcd: lab.etcd.url, network: 'web', count } satisfies PopulateInput)
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      times.push(await timed(() => host.agent.start()))
      const entries = Number(await host.exec(`bridge fdb show dev ${vxlan} | grep -c dst`))
      const neighbours = Number(await host.exec(`ip neigh show dev ${bridge} nud permanent | wc -l`))
      if (entries < count || neighbours < count)
        throw new Error(`ready with ${entries} entries and ${neighbours} neighbours`)
      await host.agent.kill()
      await host.exec(
        `bridge fdb show dev ${vxlan} | awk '/dst/ {print "fdb del " $1 " dev ${vxlan}"}' | sort -u | bridge -force -batch -; true`,
      )
      await host.exec(`ip neigh flush dev ${bridge} nud permanent`)
      await host.exec(`ip link set ${vxlan} nomaster && ip link del ${vxlan}`)
    }
    return [
      {
        bench: 'agent-start',
        what: `start to all of ${count} in the kernel, median of ${rounds}`,
        value: median(times) / 1000,
        unit: 's',
        atMost: 2,
        note: 'the start of node included',
      },
    ]
  },
}
