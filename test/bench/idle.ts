/** What an agent costs that has nothing to do. */
import { readFileSync } from 'node:fs'
import { pause } from '../../lib/retry.ts'
import { createLab } from '../lab/lab.ts'
import type { Benchmark } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'

const endpoints = 1_000
/** Long enough for one audit of the whole kernel. */
const seconds = 65
/** USER_HZ, which is 100 on every Linux that Node runs on (proc(5)). */
const ticksPerSecond = 100

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

/** User and system time so far (proc(5), /proc/pid/stat fields 14 and 15). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
