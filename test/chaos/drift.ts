/** What somebody does to a host's kernel who knows nothing of agents. */
import type { Host } from '../lab/host.ts'
import type { Drift } from './faults.ts'

export interface DriftParts {
  readonly host: Pick<Host, 'name' | 'exec' | 'try'>
  /** The VNI of the network that is left alone. */
  readonly spared: number
  readonly sparedNetwork: string
  /** From 0, and below 1: which of those that are there. */
  readonly choice: number
}

/** One that is there of each, if there is one. */
interface Targets {
  readonly bridge: string | undefined
  readonly vxlan: string | undefined
  readonly veth: string | undefined
  /** The chosen one of the lines that a command prints, as words. */
  readonly entry: (command: string, wanted: RegExp) => Promise<readonly string[] | undefined>
  readonly oneOf: <T>(from: readonly T[]) => T | undefined
}

/** The command to run; undefined where there is nothing to do it to. */
const commands: Record<Drift, (targets: Targets) => Promise<string | undefined>> = {
  bridge: async ({ bridge }) => bridge && `ip link del ${bridge}`,
  vxlan: async ({ vxlan }) => vxlan && `ip link del ${vxlan}`,
  veth: async ({ veth }) => veth && `ip link del ${veth}`,
  async 'remote-entry'({ vxlan, entry }) {
    const words = vxlan ? await entry(`bridge fdb show dev ${vxlan}`, / dst .* self/) : undefined
    return words && `bridge fdb del ${words[0]} dev ${vxlan} dst ${words[words.indexOf('dst') + 1]} self`
  },
  async 'port-entry'({ veth, entry }) {
    const words = veth ? await entry(`bridge fdb show dev ${veth}`, / master .* static/) : undefined
    return words && `bridge fdb del ${words[0]} dev ${veth} master`
  },
  async neighbour({ bridge, entry }) {
    const words = bridge ? await entry(`ip neigh show dev ${bridge} nud permanent`, /lladdr/) : undefined
    return words && `ip neigh del ${words[0]} dev ${bridge}`
  },
  gateway: async ({ bridge }) => bridge && `ip address flush dev ${bridge} scope global`,
  async down({ bridge, vxlan, veth, oneOf }) {
    const device = oneOf([bridge, vxlan, veth].filter((each) => each !== undefined))
    return device && `ip link set ${device} down`
  },
  async inside({ veth, entry }) {
    const words = veth ? await entry(`ip -o link show ${veth}`, / link-netns /) : undefined
    // With -o, a backslash stands where a line ends.
    const sandbox = words?.[words.indexOf('link-netns') + 1]?.replace(/\\$/, '')
    // The addresses at the other end, and of all other interfaces there.
    return (
      sandbox &&
      `links=$(ip -n ${sandbox} -br link show type veth) && for dev in $(echo "$links" | sed 's/[@ ].*//'); do ip -n ${sandbox} address flush dev $dev scope global || exit; done`
    )
  },
  table: async () => 'nft delete table inet overlay',
}

/**
 * Does it to one that is there, if there is one.
 * @returns what was done; undefined when there was nothing to do it to.
 * @throws Error when a command fails.
 */
export async function driftBy(kind: Drift, parts: DriftParts): Promise<string | undefined> {
  const command = await commands[kind](await targetsOf(parts))
  return command && (await run(parts.host, command)) !== undefined ? command : undefined
}

/** How `ip`, `bridge` and `nft` say that what they are to show or change is not there. */
const isAbsent = /Cannot find device|does not exist|No such (file or directory|device)|Cannot assign requested address/

/**
 * What the command prints; undefined where that which it is about has gone by itself meanwhile.
 * @throws Error when it fails otherwise.
 */
async function run(host: DriftParts['host'], command: string): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await host.try(command)
  if (exitCode === 0) return stdout
  if (isAbsent.test(stderr)) return undefined
  throw new Error(`on ${host.name}: \`${command}\` ended with ${exitCode}: ${stderr || stdout}`)
}

async function targetsOf({ host, spared, sparedNetwork, choice }: DriftParts): Promise<Targets> {
  const links = JSON.parse(await host.exec('ip -j link show')) as { ifname: string; ifalias?: string }[]
  const isSpared = ({ ifname, ifalias = '' }: (typeof links)[number]) =>
    ifname.endsWith(String(spared)) || ifalias.split('/')[2] === sparedNetwork
  const oneOf = <T>(from: readonly T[]): T | undefined => from[Math.floor(choice * from.length)]
  const link = (prefix: string) =>
    oneOf(links.filter((each) => each.ifname.startsWith(prefix) && !isSpared(each)))?.ifname
  return {
    bridge: link('ovbr'),
    vxlan: link('ovvx'),
    veth: link('ove'),
    oneOf,
    async entry(command, wanted) {
      const lines = (await run(host, command))?.split('\n') ?? []
      const line = oneOf(lines.filter((each) => wanted.test(each)))
      return line?.trim().split(/\s+/)
    },
  }
}
