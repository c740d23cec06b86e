/** Workloads on machines: namespaces that a machine's agent attaches. */
import { Endpoint, type JsonObject } from '../../../proto/index.ts'
import type { Place } from '../../lab/ping.ts'
import { countAnswers, type PingCount } from '../../lab/ping-count.ts'
import { until } from '../../lab/until.ts'
import { overlayctlJson } from '../cluster.ts'
import type { Machine } from '../machine.ts'

export interface Workload {
  readonly name: string
  readonly machine: Machine
  /** Where it runs. */
  readonly sandbox: Place
  readonly endpoint: Endpoint
  readonly address: string
}

/** Makes a namespace and attaches it under its name. @throws Error with what overlayctl says. */
export async function attachWorkload(machine: Machine, network: string, name: string): Promise<Workload> {
  await machine.exec(`ip netns add ${name} && ip -n ${name} link set lo up`)
  const words = ['attach', network, '--netns', `/run/netns/${name}`, '--name', name]
  const endpoint = Endpoint.fromJson(await overlayctlJson<JsonObject>(machine, ...words))
  const enter = ['nsenter', `--net=/run/netns/${name}`, '--']
  const sandbox: Place = {
    name: `${name} on ${machine.name}`,
    try: (command, options) =>
      machine.try([...enter, ...(typeof command === 'string' ? ['sh', '-c', command] : command)], options),
  }
  return { name, machine, sandbox, endpoint, address: endpoint.addresses[0] ?? '' }
}

/** @throws Error with what overlayctl says. */
export async function detachWorkload({ machine, name, endpoint }: Workload): Promise<void> {
  await overlayctlJson(machine, 'detach', endpoint.id)
  await machine.exec(['ip', 'netns', 'del', name])
}

/** @throws Error with what the command says. */
export async function execIn({ sandbox }: Workload, command: string): Promise<string> {
  const { stdout, stderr, exitCode } = await sandbox.try(command)
  if (exitCode === 0) return stdout
  throw new Error(`in ${sandbox.name}: \`${command}\` ended with ${exitCode}: ${stderr || stdout}`)
}

/** What is lost between two while `action` goes on, at ten requests a second. */
export async function pingDuring(from: Workload, to: Workload, action: () => Promise<void>): Promise<PingCount> {
  const { machine, name } = from
  const [log, pid] = [`/tmp/ping-${name}.log`, `/tmp/ping-${name}.pid`]
  await machine.exec(
    `ip netns exec ${name} ping -n -i 0.1 ${to.address} >${log} 2>&1 </dev/null & echo $! >${pid}
    until grep -q icmp_seq= ${log}; do sleep 0.1; done`,
  )
  try {
    await action()
  } finally {
    // A shell's background process ignores SIGINT; ping sets its own handler all the same.
    await machine.exec(`kill -INT $(cat ${pid})`)
    await until(async () => (await machine.try(`kill -0 $(cat ${pid})`)).exitCode !== 0, {
      what: 'ping to end',
      every: 200,
    })
  }
  return countAnswers(await machine.exec(`cat ${log}`))
}
