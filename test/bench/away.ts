/** What agent and controller cost while something that they need is away. */
import { pause } from '../../lib/retry.ts'
import type { Daemon } from '../lab/daemon.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import type { Benchmark, Figure } from './figure.ts'
import { coreShares } from './process-cost.ts'

/** Each is followed by itself, and so lost by itself. */
const networks = 20
/** For which each is watched. */
const seconds = 30
/** Milliseconds until the first repeats, which come fast, are over. */
const settled = 5_000

export const away: Benchmark = {
  name: 'away',
  about: `agent and controller, with ${networks} networks, while something is away, for ${seconds} s each`,
  async run() {
    await using lab = await createLab({ hosts: 2 })
    await lab.start()
    const [h1, h2] = [lab.host(1), lab.host(2)]
    const sandbox = await lab.sandbox('own')
    for (let n = 0; n < networks; n++) {
      await lab.overlayctlJson('create', `n${n}`, '--subnet', `10.9.${n}.0/24`)
      await h1.attach(`n${n}`, sandbox, '--ifname', `eth${n}`)
    }
    const controller = controllerOf(lab)
    const figures: Figure[] = []
    const measure = async (what: string, daemons: readonly Daemon[]) => figures.push(...(await shares(what, daemons)))

    await lab.etcd.kill()
    await measure('etcd refuses connections', [h1.agent, controller])
    await lab.etcd.start()
    await Promise.all([h1.agent.ready(), controller.ready()])

    await lab.etcd.freeze()
    await measure('etcd is frozen', [h1.agent, controller])
    await lab.etcd.thaw()
    await Promise.all([h1.agent.ready(), controller.ready()])

    // What drops packets to the store: nobody refuses, nobody answers.
    await setReachable(lab, false)
    await measure('etcd cannot be reached', [h1.agent, controller])
    await setReachable(lab, true)
    await Promise.all([h1.agent.ready(), controller.ready()])

    await controller.kill()
    await measure('no controller', [h1.agent])

    await h2.agent.kill()
    const nowhere = { flags: ['--etcd', 'http://etcd.invalid:2379'], deadline: 0 }
    await Promise.all([h2.agent.start(nowhere), controller.start(nowhere)])
    await until(() => [h2.agent, controller].every((daemon) => daemon.logTail().includes('waiting for the store')), {
      what: 'both to wait for the store',
    })
    await measure("etcd's name cannot be resolved", [h2.agent, controller])
    return figures
  },
}

async function shares(what: string, daemons: readonly Daemon[]): Promise<readonly Figure[]> {
  await pause(settled)
  const found = await coreShares(
    daemons.map(({ pid }) => pid),
    seconds,
  )
  return daemons.map(({ name }, at) => {
    const value = (found[at] ?? Number.NaN) * 100
    return { bench: 'away', what: `${what}: ${name}`, value, unit: '% of a core', atMost: 2 }
  })
}

/**
 * Whether what is sent to etcd's port gets out of where its clients are: h1 and
 * ctl. etcd lives in ctl too, but what it sends goes to other ports.
 */
async function setReachable(lab: Lab, reachable: boolean): Promise<void> {
  const table = 'add table ip away; add chain ip away out { type filter hook output priority 0; }'
  const drop = `nft '${table}; add rule ip away out tcp dport 2379 drop'`
  for (const where of [lab.host(1), lab.ctl]) await where.exec(reachable ? 'nft delete table ip away' : drop)
}

function controllerOf({ controllers: [controller] }: Lab) {
  if (!controller) throw new Error('the lab has no controller')
  return controller
}
