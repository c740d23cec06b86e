/**
 * Chains of legacy iptables and ip6tables, which nft does not see. They are
 * looked at only where the table is loaded already: looking would load it.
 */
import { readFileSync } from 'node:fs'
import type { Logger } from '../../lib/log.ts'
import { dockerUser, mark } from './foreign-chains.ts'
import { isNotInstalled, runFirewallProgram } from './nft.ts'

export interface LegacyTable {
  readonly program: 'iptables-legacy' | 'ip6tables-legacy'
  readonly chains: readonly LegacyChain[]
}

export interface LegacyChain {
  readonly name: string
  /** Our rules belong here. */
  readonly isTarget: boolean
  /** The bridges that our rules are for; twice where there are two. */
  readonly accepts: readonly string[]
}

const programs = [
  // Read by the calling thread, so of its namespace.
  { program: 'iptables-legacy', names: '/proc/thread-self/net/ip_tables_names' },
  { program: 'ip6tables-legacy', names: '/proc/thread-self/net/ip6_tables_names' },
] as const

export interface LegacyTables {
  read(): Promise<LegacyTable[]>
  /** Adds the accept rule where it is missing, removes those of other bridges. @throws OverlayError */
  change(table: LegacyTable, put: readonly string[], remove: readonly string[]): Promise<void>
}

export function legacyTables(log: Logger): LegacyTables {
  const missed = new Set<string>()

  async function readTable(program: LegacyTable['program']): Promise<LegacyTable[]> {
    try {
      const list = (chain: string) => runFirewallProgram(program, ['-w', '-S', chain])
      const [forward, user] = await Promise.all([list('FORWARD'), list(dockerUser).catch(() => undefined)])
      return [{ program, chains: readChains(forward, user) }]
    } catch (error) {
      if (!missed.has(program)) log.warn({ err: error, program }, 'legacy iptables rules cannot be read')
      if (isNotInstalled(error)) missed.add(program)
      return []
    }
  }

  return {
    async read() {
      const loaded = programs.filter(({ names }) => hasFilterTable(names))
      return (await Promise.all(loaded.map(({ program }) => readTable(program)))).flat()
    },
    async change({ program, chains }, put, remove) {
      const commands = chains.flatMap((chain) => legacyCommands(chain, put, remove))
      if (commands.length === 0) return
      const input = ['*filter', ...commands, 'COMMIT', ''].join('\n')
      await runFirewallProgram(`${program}-restore`, ['-w', '--noflush'], input)
    },
  }
}

/** From what `-S` prints of FORWARD and, if there is one, DOCKER-USER. */
export function readChains(forward: string, user: string | undefined): LegacyChain[] {
  const isDockers = user !== undefined && forward.split('\n').includes(`-A FORWARD -j ${dockerUser}`)
  return [
    { name: 'FORWARD', isTarget: !isDockers, accepts: acceptsIn(forward) },
    ...(user === undefined ? [] : [{ name: dockerUser, isTarget: isDockers, accepts: acceptsIn(user) }]),
  ]
}

/** Lines for iptables-restore. */
export function legacyCommands(
  { name, isTarget, accepts }: LegacyChain,
  put: readonly string[],
  remove: readonly string[],
): string[] {
  const rule = (bridge: string) => `-i ${bridge} -o ${bridge} -m comment --comment ${mark} -j ACCEPT`
  return [
    ...(isTarget ? put.filter((bridge) => !accepts.includes(bridge)) : []).map(
      (bridge) => `-I ${name} ${rule(bridge)}`,
    ),
    ...accepts.filter((bridge) => remove.includes(bridge)).map((bridge) => `-D ${name} ${rule(bridge)}`),
  ]
}

function acceptsIn(rules: string): string[] {
  return rules.split('\n').flatMap((rule) => {
    const [, incoming, outgoing] = acceptRule.exec(rule) ?? []
    return incoming !== undefined && incoming === outgoing ? [incoming] : []
  })
}

const acceptRule = new RegExp(`^-A \\S+ -i (\\S+) -o (\\S+) -m comment --comment "?${mark}"? -j ACCEPT$`)

function hasFilterTable(names: string): boolean {
  try {
    return readFileSync(names, 'utf8').split('\n').includes('filter')
  } catch {
    // This kernel has no legacy iptables, or its module is not loaded.
    return false
  }
}
