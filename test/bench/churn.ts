/** Attaching and detaching over and over, and all that it could leave behind. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mapParallel } from '../../lib/parallel.ts'
import { AgentService } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { program } from '../lab/program-path.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'
import { descriptors } from './process-cost.ts'

export interface Churned {
  readonly networks: readonly string[]
  /** One each may be attached at a time. */
  readonly sandboxes: readonly Sandbox[]
}

/** Attaches and detaches so many times, as many at a time as there are sandboxes. */
export async function churn(host: Host, { networks, sandboxes }: Churned, times: number): Promise<void> {
  const client = host.agent.connect()
  const agent = client.service(AgentService)
  const rounds = Array.from({ length: times }, (_, round) => round)
  const free = sandboxes.map(({ path }) => path)
  try {
    await mapParallel(rounds, sandboxes.length, async (round) => {
      const netns = free.pop() ?? ''
      const network = networks[round % networks.length] ?? ''
      const { endpoint } = await agent.attach({ network, netns }, { timeout: 60_000 })
      await agent.detach({ endpointId: endpoint?.id ?? '' }, { timeout: 60_000 })
      free.push(netns)
    })
  } finally {
    client.close()
  }
}

/** What is there of a host: numbers that should be the same again. */
export interface Holdings {
  readonly descriptors: number
  readonly devices: number
  readonly entries: number
  readonly neighbours: number
  readonly intents: number
  /** In the store: without the journal, which is trimmed by age, and addresses that rest. */
  readonly keys: number
}

/** Waits until no address rests any more: until then an agent remembers it. */
export async function allRested(lab: Lab): Promise<void> {
  await until(async () => (await keys(lab)).every((key) => !key.includes('/released/')), {
    what: 'the last address to have rested',
    deadline: 120_000,
    every: 500,
  })
}

export async function holdingsOf(lab: Lab, host: Host): Promise<Holdings> {
  const count = async (command: string) => Number(await host.exec(`${command} | wc -l`))
  return {
    descriptors: descriptors(host.agent.pid),
    devices: await count('ip -o link'),
    entries: await count('bridge fdb show'),
    neighbours: await count('ip neighbour show nud permanent'),
    intents: (await host.agent.status()).openIntents,
    keys: (await keys(lab)).filter((key) => !/\/(history|released)\//.test(key)).length,
  }
}

async function keys(lab: Lab): Promise<readonly string[]> {
  return (await lab.etcd.etcdctl('get', '--prefix', '/overlay/', '--keys-only')).split('\n').filter(Boolean)
}

/** Of an agent that was started by `startProbed`. */
export interface Memory {
  /** Bytes that are in use, once all garbage is collected. */
  readonly used: number
  readonly resident: number
}

const probeFile = (host: Host) => join(host.home, 'memory.json')

/** Starts the host's agent so that it tells its memory. */
export function startProbed(host: Host): Promise<void> {
  const probe = ['--expose-gc', '--import', program('test/bench/memory-probe.js')]
  return host.agent.start({
    env: { MEMORY_PROBE: probeFile(host) },
    command: ([node = '', ...own]) => [node, ...probe, ...own],
  })
}

export async function memoryOf(host: Host): Promise<Memory> {
  const file = probeFile(host)
  rmSync(file, { force: true })
  process.kill(host.agent.pid, 'SIGUSR2')
  await until(() => existsSync(file), { what: `${host.agent.name}: to tell its memory` })
  return JSON.parse(readFileSync(file, 'utf8')) as Memory
}
