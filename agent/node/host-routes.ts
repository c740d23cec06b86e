/** The record of what this host reaches otherwise than by an overlay, told from its kernel and resolvers. Pure. */
import { type Cidr, cidrAt, encloses, familyOf, type Ip, ipValue } from '../../lib/ip.ts'
import type { HostRoutes, HostRoute as ReportedRoute } from '../../proto/index.ts'
import type { HostRoutesFound } from '../kernel/kernel.ts'

/** The most that is told of one host. */
export const mostRoutes = 256

export interface Resolver {
  readonly address: Ip
  /** The file that names it. */
  readonly from: string
}

export type Report = Pick<HostRoutes, 'routes' | 'truncated'>

interface Found {
  readonly kind: ReportedRoute['kind']
  readonly cidr: Cidr
  readonly via: string
}

const recordKinds = { route: 'ROUTE', address: 'ADDRESS' } as const
/** Of several of one prefix: which are told rather than others. */
const kindOrder: readonly ReportedRoute['kind'][] = ['RESOLVER', 'ROUTE', 'ADDRESS']

/**
 * What lies inside a route by the same interface tells nothing more, and is left
 * out. Of more than `mostRoutes` the widest are told. The same host gives the same
 * report, in whatever order its kernel tells.
 */
export function reportOf({ routes, truncated }: HostRoutesFound, resolvers: readonly Resolver[]): Report {
  const byInterface = new Map<string, Found[]>()
  for (const { kind, cidr, via } of routes) {
    const others = byInterface.get(via)
    const found: Found = { kind: recordKinds[kind], cidr, via }
    if (others) others.push(found)
    else byInterface.set(via, [found])
  }
  const all = [...[...byInterface.values()].flatMap(coalesced), ...resolverRoutes(resolvers)]
  const told = all.length > mostRoutes ? all.toSorted(widestFirst).slice(0, mostRoutes) : all
  return {
    routes: told.toSorted(byPlace).map(({ kind, cidr, via }) => ({ kind, cidr: cidr.text, via })),
    truncated: truncated || all.length > mostRoutes,
  }
}

/** Of one interface. Two subnets are one in the other or apart, so that only the last one kept can enclose the next. */
function coalesced(found: readonly Found[]): Found[] {
  const kept: Found[] = []
  for (const one of found.toSorted(byPlace)) {
    const last = kept.at(-1)
    if (!last || !encloses(last.cidr, one.cidr)) kept.push(one)
  }
  return kept
}

function resolverRoutes(resolvers: readonly Resolver[]): Found[] {
  const found = new Map<Ip, Found>()
  for (const { address, from } of resolvers) {
    const family = familyOf(address)
    const cidr = cidrAt(family, ipValue(address), family === 4 ? 32 : 128)
    if (!found.has(address)) found.set(address, { kind: 'RESOLVER', cidr, via: from })
  }
  return [...found.values()]
}

/** The enclosing one before those inside it. */
function byPlace(a: Found, b: Found): number {
  if (a.cidr.family !== b.cidr.family) return a.cidr.family - b.cidr.family
  if (a.cidr.first !== b.cidr.first) return a.cidr.first < b.cidr.first ? -1 : 1
  return a.cidr.prefix - b.cidr.prefix || kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind) || byText(a.via, b.via)
}

/** An IPv4 /16 counts as wide as an IPv6 /64, so that neither family crowds out the other. */
function widestFirst(a: Found, b: Found): number {
  const width = ({ cidr: { family, prefix } }: Found) => prefix / (family === 4 ? 32 : 128)
  return width(a) - width(b) || kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind) || byPlace(a, b)
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
