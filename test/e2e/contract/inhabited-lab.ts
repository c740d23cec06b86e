/** What every line of the contract begins with: hosts on one network, an endpoint on each, leases that are short. */
import { expect } from 'vitest'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { attach, detachAll, detachIfThere } from '../attach-calls.ts'
import { type StartOptions, startedLab } from '../started-lab.ts'
import { keysBelow } from '../store-content.ts'
import { attachWorkload, createNetwork, untilAllAnswer, type Workload } from '../workload.ts'

/** The shortest lease that an agent takes. */
export const shortLease = ['--session-ttl', '5'] as const

export interface InhabitedOptions extends StartOptions {
  /** Added to those that create the network. */
  readonly network?: readonly string[]
}

/**
 * The network is `web`, 10.0.9.0/24; the endpoint of the first host is `on-h1`
 * and so on. They answer each other. Take it down after the tests.
 */
export async function inhabitedLab({ network = [], agentFlags = [], ...options }: InhabitedOptions) {
  const lab = await startedLab({ ...options, agentFlags: [...shortLease, ...agentFlags] })
  try {
    await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24', ...network)
    const workloads = await Promise.all(lab.hosts.map((host) => attachWorkload(lab, host, 'web', `on-${host.name}`)))
    await untilAllAnswer(workloads)
    return { lab, workloads }
  } catch (error) {
    await lab.down()
    throw error
  }
}

/** One of several, by its place. @throws Error when there is none. */
export function nth<T>(all: readonly T[], place: number): T {
  const found = all[place]
  if (found === undefined) throw new Error(`there is no number ${place} among ${all.length}`)
  return found
}

/** A new endpoint on the host reaches another, and goes again: the agent works, and has also done its first audit. */
export async function expectServes(lab: Lab, host: Host, other: Workload): Promise<void> {
  const sandbox = await lab.sandbox(`guest-${guests++}`)
  const endpoint = await attach('web', { host, sandbox })
  await sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', other.address])
  await detachAll([{ host, endpoint }])
  await sandbox.delete()
}

let guests = 0

/** What a node owns in the store, for comparisons: no fault renumbers an endpoint or registers a node anew. */
export async function owned(lab: Lab) {
  const store = await until(() => lab.etcdMembers.find(({ running }) => running), { what: 'a member of etcd' })
  const keys = await Promise.all(['nodes/', 'endpoints/', 'addresses/'].map((path) => keysBelow(store, path)))
  return keys.flat().map(({ path, value, createRevision }) => ({ path, value, createRevision }))
}

/** `overlayctl ipam check` finds nothing to complain of, and misses no node once all have dialled the controller. */
export async function expectIpamClean(lab: Lab): Promise<void> {
  await until(
    async () => {
      const { stdout, stderr, exitCode } = await lab.overlayctl('ipam', 'check')
      expect({ exitCode, stderr, stdout }).toMatchObject({ exitCode: 0, stderr: '' })
      return true
    },
    { what: 'ipam check to be clean', deadline: 30_000, every: 200 },
  )
}

/**
 * For `afterEach`, so that the next test tells its own: what one that failed
 * left ended or frozen runs again, and what it left attached is detached. What
 * is there from test to test has a name that begins with `on-`.
 * @throws Error when something cannot be put right: the next test would fail by it.
 */
export async function mend(lab: Lab): Promise<void> {
  const agents = lab.hosts.map(({ agent }) => agent)
  for (const daemon of [...lab.etcdMembers, ...lab.controllers, ...agents])
    if (daemon.running) await daemon.thaw()
    else await daemon.start()
  const endpoints = await keysBelow(nth(lab.etcdMembers, 0), 'endpoints/')
  const strays = endpoints.filter(({ value }) => !String(value['name']).startsWith('on-'))
  if (strays.length > 0) await Promise.all(agents.map((agent) => agent.ready()))
  for (const { path, value } of strays) {
    const host = lab.hosts.find(({ name }) => name === value['node'])
    if (host) await detachIfThere(host, path.split('/').at(-1) ?? '')
  }
}
