/** What an agent costs that has nothing to do. */
import { createLab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import type { Benchmark } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'
import { coreShares, residentMiB } from './process-cost.ts'

const endpoints = 1_000
/** All but its own. */
const remote = endpoints - 1
/** Long enough for one audit of the whole kernel. */
const seconds = 65

export const idle: Benchmark = {
  name: 'idle',
  about: `an agent with ${endpoints} endpoints and nothing to do, for ${seconds} s`,
  async run() {
    await using lab = await createLab({ hosts: 1 })
    await lab.start()
    const host = lab.host(1)
    await lab.overlayctlJson('create', 'web', '--subnet', '10.9.0.0/16')
    await host.attach('web', await lab.sandbox('own'))
    await runWorker(host, 'populate-worker', {
      etcd: lab.etcd.url,
      network: 'web',
      count: remote,
    } satisfies PopulateInput)
    await until(async () => (await host.agent.status()).remoteEndpointCount === remote, {
      what: `the agent to have ${remote} remote endpoints`,
      deadline: 60_000,
    })
    const [share = Number.NaN] = await coreShares([host.agent.pid], seconds)
    const note = `${remote} remote, one audit among it`
    return [
      { bench: 'idle', what: 'share of one core', value: share * 100, unit: '%', atMost: 1, note },
      { bench: 'idle', what: 'resident memory', value: residentMiB(host.agent.pid), unit: 'MiB', atMost: 120 },
    ]
  },
}
