/** What an administrator types to make a cluster of hosts that have the package. All tiers use it. */
import { type JsonObject, Node } from '../../proto/index.ts'
import { until } from '../lab/until.ts'
import type { Machine } from './machine.ts'

export interface JoinLine {
  /** HOST:PORT of a controller. */
  readonly controller: string
  readonly token: string
}

/** `overlayctl cluster init`, and what its last words say to type on the others. */
export async function initCluster(host: Machine, ...flags: readonly string[]): Promise<JoinLine> {
  return joinLineIn(await host.exec(['overlayctl', 'cluster', 'init', ...flags], { timeout: 120_000 }))
}

/** @throws Error when the text has no such line. */
export function joinLineIn(text: string): JoinLine {
  const found = /overlayctl cluster join (\S+) .*--token (\S+)/.exec(text)
  if (!found) throw new Error(`there is no line to join with in:\n${text}`)
  return { controller: found[1] ?? '', token: found[2] ?? '' }
}

/** @throws Error with what overlayctl says. */
export async function joinCluster(host: Machine, { controller, token }: JoinLine, ...flags: readonly string[]) {
  // The token by its other way, so that both are used: the line itself is typed in the specification of the first ping.
  const words = ['overlayctl', 'cluster', 'join', controller, '--token-file', '-', ...flags]
  return host.exec(words, { input: `${token}\n`, timeout: 120_000 })
}

/** A new token, asked for on a host of the control plane. */
export async function createToken(host: Machine, ...flags: readonly string[]): Promise<JoinLine> {
  const made = await overlayctlJson<{ token: string; controllers: readonly string[] }>(
    host,
    'cluster',
    'token',
    'create',
    ...flags,
  )
  return { controller: made.controllers[0] ?? '', token: made.token }
}

/** @throws Error with what overlayctl says. */
export async function overlayctlJson<T>(host: Machine, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await host.exec(['overlayctl', '-o', 'json', ...args])) as T
}

/** Makes a cluster of all these hosts, the first so many of which are its control plane. */
export async function makeCluster(
  hosts: readonly Machine[],
  { controlPlane = 1, flags = [] }: { controlPlane?: number; flags?: readonly string[] } = {},
): Promise<void> {
  const [first, ...others] = hosts
  if (!first) throw new Error('a cluster has at least one host')
  await initCluster(first, ...flags)
  const controllers = others.slice(0, controlPlane - 1)
  if (controllers.length > 0) {
    const line = await createToken(first, '--control-plane', '--uses', String(controllers.length))
    // One after the other: etcd takes one new member at a time.
    for (const host of controllers) await joinCluster(host, line, '--control-plane')
  }
  const rest = others.slice(controlPlane - 1)
  if (rest.length > 0) {
    const line = await createToken(first, '--uses', String(rest.length))
    await Promise.all(rest.map((host) => joinCluster(host, line)))
  }
  await untilNodesLive(first, hosts)
}

/** Waits until these hosts, and no others, are live nodes of the cluster. */
export async function untilNodesLive(asked: Machine, hosts: readonly Machine[], deadline = 30_000): Promise<void> {
  const wanted = hosts.map(({ name }) => name).toSorted()
  let nodes: readonly Node[] = []
  await until(
    async () => {
      nodes = (await overlayctlJson<JsonObject[]>(asked, 'node', 'ls')).map((node) => Node.fromJson(node))
      const live = nodes.filter(({ status }) => status?.live).map(({ name }) => name)
      return nodes.length === wanted.length && live.toSorted().join() === wanted.join()
    },
    { what: `${wanted.join(', ')} to be live nodes`, deadline, every: 100, detail: () => JSON.stringify(nodes) },
  )
}
