/** What is left of 10,000 attaches and detaches on one host, beside what was there after 100. */
import type { Host } from '../lab/host.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import { type Churned, churn } from './churn.ts'
import { type Benchmark, type Figure, timed } from './figure.ts'
import { allRested, controllerHoldings, type Holdings, hostHoldings, storeHoldings } from './holdings.ts'
import { type Memory, memoryOf, startProbed } from './probed-memory.ts'

const few = 100
const many = 10_000
/** Attaches and detaches between two words on how far it is: it goes on for minutes. */
const aWhile = 1_000
const networks = ['n0', 'n1', 'n2', 'n3']
/**
 * Of those, where the churned host has an endpoint that stays: there entries
 * could be left, while of the others all that there is comes and goes.
 */
const inhabited = networks.slice(0, 2)
const atOnce = 8
/** Of each network, on the other host: what the first attach of a network sets up, and the last detach takes away. */
const remotes = 10

export const leaks: Benchmark = {
  name: 'leaks',
  about: `${many} attaches and detaches on one host, against ${few}: on both hosts, in the controllers and in etcd`,
  async run() {
    await using lab = await createLab({ hosts: 2 })
    const churned = await prepare(lab)
    await churn(lab.host(1), churned, few)
    const before = await look(lab)
    const milliseconds = await timed(() => churnAloud(lab.host(1), churned, many - few))
    const after = await look(lab)
    return [
      { bench: 'leaks', what: 'attach and detach, for each', value: milliseconds / (many - few), unit: 'ms' },
      ...before.holdings.flatMap(([name, held], at) => heldMore(name, held, after.holdings[at]?.[1] ?? {})),
      ...before.memory.flatMap(([name, memory], at) => grown(name, memory, after.memory[at]?.[1])),
    ]
  },
}

async function prepare(lab: Lab): Promise<Churned> {
  await lab.etcd.start()
  await Promise.all(lab.controllers.map(startProbed))
  await Promise.all(lab.hosts.map(({ agent }) => startProbed(agent)))
  for (const [n, name] of networks.entries())
    await lab.overlayctlJson('create', name, '--subnet', `10.${n + 60}.0.0/16`)
  const [resident, other] = [await lab.sandbox('resident'), await lab.sandbox('other')]
  for (const name of inhabited) await lab.host(1).attach(name, resident, '--ifname', name)
  for (let n = 0; n < remotes; n++)
    for (const name of networks) await lab.host(2).attach(name, other, '--ifname', `${name}-${n}`)
  return { networks, sandboxes: await lab.sandboxes(Array.from({ length: atOnce }, (_, n) => `s${n}`)) }
}

async function churnAloud(host: Host, churned: Churned, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const next = Math.min(aWhile, times - done)
    await churn(host, churned, next)
    done += next
    process.stderr.write(`leaks: ${done} of ${times}\n`)
  }
}

/** By whose they are, in the same order each time. */
interface Look {
  readonly holdings: readonly (readonly [string, Holdings])[]
  readonly memory: readonly (readonly [string, Memory])[]
}

async function look(lab: Lab): Promise<Look> {
  await allRested(lab)
  const [{ hosts, controllers }, agents] = [lab, lab.hosts.map(({ agent }) => agent)]
  return {
    holdings: [
      ...(await Promise.all(hosts.map(async (host) => [host.name, await hostHoldings(host)] as const))),
      ...(await Promise.all(controllers.map(async (one) => [one.name, await controllerHoldings(one)] as const))),
      ['etcd', await storeHoldings(lab)],
    ],
    memory: await Promise.all(
      [...agents, ...controllers].map(async (daemon) => [daemon.name, await memoryOf(daemon)] as const),
    ),
  }
}

function heldMore(name: string, before: Holdings, after: Holdings): readonly Figure[] {
  return Object.entries(before).map(([what, held]) => {
    const now = after[what] ?? Number.NaN
    return {
      bench: 'leaks',
      what: `${name}: ${what} more than before`,
      value: now - held,
      unit: '',
      // Connections come and go.
      atMost: what === 'descriptors' ? 2 : 0,
      mustHold: true,
      note: `${now} against ${held}`,
    }
  })
}

function grown(name: string, before: Memory, after?: Memory): readonly Figure[] {
  const mib = (bytes: number) => bytes / 1024 / 1024
  return (['used', 'resident'] as const).map((what) => {
    const [was, is] = [mib(before[what]), mib(after?.[what] ?? Number.NaN)]
    return {
      bench: 'leaks',
      what: `${name}: memory ${what}, more than before`,
      value: is - was,
      unit: 'MiB',
      atMost: 10,
      // How much room is kept for later is V8's own choice, and differs from run to run.
      mustHold: what === 'used',
      note: `${is.toFixed(1)} against ${was.toFixed(1)} MiB, garbage collected`,
    }
  })
}
