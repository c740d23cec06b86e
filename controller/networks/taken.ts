/** Where no subnet may lie, and where none should. */
import { hasCode } from '../../lib/errors.ts'
import { type Cidr, cidrAt, encloses, familyOf, ipValue, parseCidr, parseIp } from '../../lib/ip.ts'
import type { HostRoute, HostRoutes, Network, Node } from '../../proto/index.ts'

/** A subnet or address that is in use, and what by, for people: `network web`. */
export interface Taken {
  readonly cidr: Cidr
  readonly by: string
}

/** What a node reports of itself. */
export interface RoutesOfNode {
  readonly node: string
  readonly routes: HostRoutes
}

/**
 * Not to be overlapped by any means: other networks, and VTEPs, because the
 * gateway's route on every host would then lead the VXLAN packets for that node
 * into the network itself.
 */
export function takenByCluster(networks: readonly Network[], nodes: readonly Node[]): readonly Taken[] {
  const ofNetworks = networks.flatMap(({ name, subnets }) =>
    subnets.map((subnet) => ({ cidr: parseCidr(subnet.cidr), by: `network ${name}` })),
  )
  const withVtep = nodes.filter(({ vtepAddress }) => vtepAddress !== '')
  const ofNodes = withVtep.map(({ name, vtepAddress }) => {
    const ip = parseIp(vtepAddress)
    const family = familyOf(ip)
    return { cidr: cidrAt(family, ipValue(ip), family === 4 ? 32 : 128), by: `node ${name}'s VTEP` }
  })
  return [...ofNetworks, ...ofNodes]
}

/**
 * What the hosts reach otherwise: their routes, addresses and resolvers, but no
 * default routes. What several have stands here once.
 */
export function takenByHosts(hosts: readonly RoutesOfNode[]): readonly Taken[] {
  const holders = new Map<string, { route: HostRoute; nodes: Set<string> }>()
  for (const { node, routes } of hosts)
    for (const route of routes.routes) {
      const there = holders.get(route.cidr)
      if (there) there.nodes.add(node)
      else holders.set(route.cidr, { route, nodes: new Set([node]) })
    }
  return [...holders].flatMap(([text, { route, nodes }]) => {
    const cidr = readCidr(text)
    return cidr && cidr.prefix > 0 ? [{ cidr, by: describe(route, [...nodes]) }] : []
  })
}

/** Of these, what one that grows beyond `present` comes to lie on. */
export function beyond(present: Cidr, taken: readonly Taken[]): readonly Taken[] {
  return taken.filter(({ cidr }) => !encloses(present, cidr))
}

/** For people: `node n1 (route by eth0)`. */
function describe({ kind, via }: HostRoute, [node, ...others]: readonly string[]): string {
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  const [what, link] =
    kind === 'ADDRESS' ? ['address', 'of'] : kind === 'RESOLVER' ? ['resolver', 'in'] : ['route', 'by']
  return `node ${node}${more} (${what}${via && ` ${link} ${via}`})`
}

/** What one host misreports shall not stop every creation: undefined. */
export function readCidr(text: string): Cidr | undefined {
  try {
    return parseCidr(text)
  } catch (error) {
    if (hasCode(error, 'invalid')) return undefined
    throw error
  }
}
