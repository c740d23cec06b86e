/** What is left of 10,000 attaches and detaches on one host, beside what was there after 100. */
import { createLab } from '../lab/lab.ts'
import { allRested, churn, type Holdings, holdingsOf, type Memory, memoryOf, startProbed } from './churn.ts'
import type { Benchmark, Figure } from './figure.ts'

const few = 100
const many = 10_000
const networks = ['n0', 'n1', 'n2', 'n3']
const atOnce = 8
/** Of each network, on the other host: what the first attach of a network sets up, and the last detach takes away. */
const remotes = 10

export const leaks: Benchmark = {
  name: 'leaks',
  about: `${many} attaches and detaches on one host, against ${few}, seen there and on another host`,
  async run() {
    await using lab = await createLab({ hosts: 2 })
    const [h1, h2] = [lab.host(1), lab.host(2)]
    await lab.etcd.start()
    await Promise.all(lab.controllers.map((each) => each.start()))
    await Promise.all(lab.hosts.map(startProbed))
    for (const [n, name] of networks.entries())
      await lab.overlayctlJson('create', name, '--subnet', `10.${n + 60}.0.0/16`)
    const sandboxes = await lab.sandboxes(Array.from({ length: atOnce }, (_, n) => `s${n}`))
    const other = await lab.sandbox('other')
    for (let n = 0; n < remotes; n++)
      for (const name of networks) await h2.attach(name, other, '--ifname', `${name}-${n}`)
    const look = async () => {
      await allRested(lab)
      return {
        holdings: await Promise.all(lab.hosts.map((host) => holdingsOf(lab, host))),
        memory: await Promise.all(lab.hosts.map(memoryOf)),
      }
    }
    await churn(h1, { networks, sandboxes }, few)
    const before = await look()
    const started = performance.now()
    await churn(h1, { networks, sandboxes }, many - few)
    const seconds = (performance.now() - started) / 1000
    const after = await look()
    return [
      { bench: 'leaks', what: 'attach and detach, for each', value: (seconds / (many - few)) * 1000, unit: 'ms' },
      ...lab.hosts.flatMap(({ name }, at) => [
        ...heldMore(name, before.holdings[at], after.holdings[at]),
        ...grown(name, before.memory[at], after.memory[at]),
      ]),
    ]
  },
}

function heldMore(host: string, before?: Holdings, after?: Holdings): readonly Figure[] {
  if (!before || !after) return []
  return (Object.keys(before) as (keyof Holdings)[]).map((what) => ({
    bench: 'leaks',
    what: `${host}: ${what} more than before`,
    value: after[what] - before[what],
    unit: '',
    // Connections come and go.
    atMost: what === 'descriptors' ? 2 : 0,
    note: `${after[what]} against ${before[what]}`,
  }))
}

function grown(host: string, before?: Memory, after?: Memory): readonly Figure[] {
  if (!before || !after) return []
  const mib = (bytes: number) => bytes / 1024 / 1024
  return (['used', 'resident'] as const).map((what) => ({
    bench: 'leaks',
    what: `${host}: memory ${what}, more than before`,
    value: mib(after[what] - before[what]),
    unit: 'MiB',
    atMost: 10,
    note: `${mib(after[what]).toFixed(1)} against ${mib(before[what]).toFixed(1)} MiB, garbage collected`,
  }))
}
