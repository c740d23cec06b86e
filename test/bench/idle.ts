/** What an agent costs that has nothing to do. */
import { pause } from '../../lib/retry.ts'
import { createLab } from '../lab/lab.ts'
import type { Benchmark } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'
import { cpuSeconds, residentMiB } from './process-cost.ts'

const endpoints = 1_000
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
      count: endpoints - 1,
    } satisfies PopulateInput)
    const before = cpuSeconds(host.agent.pid)
    await pause(seconds * 1000)
    const used = cpuSeconds(host.agent.pid) - before
    const { remoteEndpointCount } = await host.agent.status()
    const note = `${remoteEndpointCount} remote, one audit among it`
    return [
      { bench: 'idle', what: 'share of one core', value: (used / seconds) * 100, unit: '%', atMost: 1, note },
      { bench: 'idle', what: 'resident memory', value: residentMiB(host.agent.pid), unit: 'MiB', atMost: 120 },
    ]
  },
}
