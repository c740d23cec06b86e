/** A network of 50,000 endpoints, looked at from a shell. */
import { createLab } from '../lab/lab.ts'
import { program } from '../lab/program-path.ts'
import { type Benchmark, median, timed } from './figure.ts'
import { runWorker } from './in-host.ts'
import type { PopulateInput } from './populate-worker.ts'

const endpoints = 50_000
const rounds = 5
/** Milliseconds, the start of node included. */
const bound = 1_000

const looks = [['ls'], ['inspect', 'web'], ['ipam', 'show', 'web'], ['status']]

export const largeNetwork: Benchmark = {
  name: 'large-network',
  about: 'ls, inspect, ipam show and status with 50,000 endpoints in one /16',
  async run() {
    await using lab = await createLab({ hosts: 1 })
    await lab.start()
    await lab.overlayctlJson('create', 'web', '--subnet', '10.9.0.0/16')
    const input: PopulateInput = { etcd: lab.etcd.url, network: 'web', count: endpoints }
    await runWorker(lab.ctl, 'populate-worker', input)
    const controller = ['--controller', `${lab.controllers[0]?.address}`]
    const figures = []
    for (const look of looks) {
      const command = [process.execPath, program('overlayctl.cjs'), ...controller, ...look]
      const times: number[] = []
      for (let round = 0; round < rounds; round++) times.push(await timed(() => lab.ctl.exec(command)))
      const what = `overlayctl ${look.join(' ')}, median of ${rounds}`
      figures.push({ bench: 'large-network', what, value: median(times), unit: 'ms', atMost: bound })
    }
    return figures
  },
}
