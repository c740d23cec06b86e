/** What is there of hosts, controllers and the store: all that attaching and detaching could leave behind. */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Controller } from '../lab/controller.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import { descriptors } from './process-cost.ts'

/** By what it is: numbers that should be the same again. */
export type Holdings = Readonly<Record<string, number>>

/** Waits until no address rests any more: until then an agent remembers it. */
export async function allRested(lab: Lab): Promise<void> {
  await until(async () => (await keys(lab)).every((key) => !key.includes('/released/')), {
    what: 'the last address to have rested',
    deadline: 120_000,
    every: 500,
  })
}

/** The agent's descriptors without those of our own connections to it. */
export function hostHoldings(host: Host): Promise<Holdings> {
  const count = async (command: string) => Number(await host.exec(`${command} | wc -l`))
  return settled(async () => {
    const others = {
      devices: await count('ip -o link'),
      entries: await count('bridge fdb show'),
      neighbours: await count('ip neighbour show nud permanent'),
      intents: (await host.agent.status()).openIntents,
    }
    await until(() => connectionsTo(host.agent.socket) === 0, { what: `${host.agent.name}: to have let us go` })
    return { ...others, descriptors: descriptors(host.agent.pid) }
  })
}

export function controllerHoldings({ pid }: Controller): Promise<Holdings> {
  return settled(async () => ({ descriptors: descriptors(pid) }))
}

/** Keys without the journal, which is trimmed by age, and addresses that rest; leases with those of such. */
export function storeHoldings(lab: Lab): Promise<Holdings> {
  return settled(async () => ({
    keys: (await keys(lab)).filter((key) => !/\/(history|released)\//.test(key)).length,
    leases: (await lab.etcd.etcdctl('lease', 'list')).split('\n').filter((line) => /^[0-9a-f]+$/.test(line)).length,
  }))
}

/** What two looks in a row agree on: nothing that is just being opened or closed. */
async function settled(look: () => Promise<Holdings>): Promise<Holdings> {
  let last: Holdings = {}
  return until(
    async () => {
      const before = last
      last = await look()
      return isDeepStrictEqual(last, before) && last
    },
    { what: 'two looks to see the same', deadline: 30_000, every: 200, detail: () => JSON.stringify(last) },
  )
}

async function keys(lab: Lab): Promise<readonly string[]> {
  return (await lab.etcd.etcdctl('get', '--prefix', '/overlay/', '--keys-only')).split('\n').filter(Boolean)
}

/**
 * Connections to a unix socket from our namespace that its server has open
 * (proc(5), /proc/net/unix; state 3 is SS_CONNECTED, 1 is of the one that listens).
 */
function connectionsTo(socket: string): number {
  const lines = readFileSync('/proc/self/net/unix', 'utf8').split('\n')
  return lines.filter((line) => line.endsWith(` ${socket}`) && / 03 +\d+ /.test(line)).length
}
