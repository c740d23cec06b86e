/** Which networks lie on what a node reaches otherwise. What a node has as others do costs nothing. */
import { type Cidr, overlaps } from '../../lib/ip.ts'
import type { HostRoute } from '../../proto/index.ts'
import type { Board } from './board.ts'

type Kind = Exclude<HostRoute['kind'], 'KIND_UNSPECIFIED'>
const kinds = { ROUTE: 'route', ADDRESS: 'address', RESOLVER: 'resolver' } as const satisfies Record<Kind, string>

/** How many of a kind a message names. */
const shown = 3

export interface Route {
  readonly kind: HostRoute['kind']
  readonly cidr: Cidr
  readonly via: string
}

/** What nodes have alike. */
interface Shared {
  readonly kind: Kind
  readonly cidr: Cidr
  readonly via: string
  readonly nodes: Set<string>
}

/** A subnet and something of nodes that it overlaps. */
interface Conflict {
  readonly subnet: Cidr
  readonly route: Shared
}

interface Place {
  readonly network: string
  readonly subnet: Cidr
}

/** Posts one matter per network and kind, however many nodes have the same. */
export class RouteConflicts {
  readonly #board: Board
  readonly #subnets = new Map<string, readonly Cidr[]>()
  /** By what tells them apart. */
  readonly #routes = new Map<string, Shared>()
  /** Of which of them each node has one. */
  readonly #ofNodes = new Map<string, ReadonlySet<string>>()
  /** By network, then by subnet and route. */
  readonly #conflicts = new Map<string, Map<string, Conflict>>()
  /** All subnets by their first address; undefined: to be sorted anew. */
  #sorted: readonly Place[] | undefined

  constructor(board: Board) {
    this.#board = board
  }

  /** The network's subnets that shall lie on nothing; none when it was removed, or may lie on routes. */
  setNetwork(name: string, subnets: readonly Cidr[]): void {
    if (subnets.length > 0) this.#subnets.set(name, subnets)
    else this.#subnets.delete(name)
    this.#sorted = undefined
    this.#conflicts.delete(name)
    for (const subnet of subnets)
      for (const [key, route] of this.#routes)
        if (overlaps(subnet, route.cidr)) this.#add({ network: name, subnet }, key, route)
    this.#post(name)
  }

  /** What the nodes report now; none of one that is gone. */
  setNodes(nodes: Iterable<readonly [string, readonly Route[]]>): void {
    const touched = new Set<string>()
    for (const [node, routes] of nodes) {
      const now = byKey(routes)
      const before = this.#ofNodes.get(node) ?? new Set()
      for (const key of before) if (!now.has(key)) this.#leave(node, key, touched)
      for (const [key, route] of now) if (!before.has(key)) this.#join(node, key, route, touched)
      if (now.size > 0) this.#ofNodes.set(node, new Set(now.keys()))
      else this.#ofNodes.delete(node)
    }
    for (const network of touched) this.#post(network)
  }

  /** The first node that has it makes the conflicts; the others are only named. */
  #join(node: string, key: string, route: Omit<Shared, 'nodes'>, touched: Set<string>): void {
    const there = this.#routes.get(key)
    if (there) return void there.nodes.add(node)
    const shared = { ...route, nodes: new Set([node]) }
    this.#routes.set(key, shared)
    for (const place of this.#placesOn(route.cidr)) {
      this.#add(place, key, shared)
      touched.add(place.network)
    }
  }

  /** The last one ends them. */
  #leave(node: string, key: string, touched: Set<string>): void {
    const route = this.#routes.get(key)
    route?.nodes.delete(node)
    if (!route || route.nodes.size > 0) return
    this.#routes.delete(key)
    for (const { network, subnet } of this.#placesOn(route.cidr)) {
      const ofNetwork = this.#conflicts.get(network)
      ofNetwork?.delete(conflictKey(subnet, key))
      if (ofNetwork?.size === 0) this.#conflicts.delete(network)
      touched.add(network)
    }
  }

  #add({ network, subnet }: Place, key: string, route: Shared): void {
    const ofNetwork = this.#conflicts.get(network) ?? new Map<string, Conflict>()
    this.#conflicts.set(network, ofNetwork)
    ofNetwork.set(conflictKey(subnet, key), { subnet, route })
  }

  /** Networks do not overlap one another, so that those on one route stand beside each other. */
  #placesOn(cidr: Cidr): readonly Place[] {
    this.#sorted ??= [...this.#subnets]
      .flatMap(([network, subnets]) => subnets.map((subnet) => ({ network, subnet })))
      .toSorted((a, b) => inOrder(a.subnet, b.subnet))
    const sorted = this.#sorted
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const subnet = sorted[middle]?.subnet
      if (subnet && isBefore(subnet, cidr)) low = middle + 1
      else high = middle
    }
    let end = low
    for (let place = sorted[end]; place && overlaps(place.subnet, cidr); place = sorted[++end]);
    return sorted.slice(low, end)
  }

  #post(network: string): void {
    const conflicts = [...(this.#conflicts.get(network)?.values() ?? [])]
    for (const kind of Object.keys(kinds) as Kind[]) {
      const key = `${network} ${kinds[kind]}`
      const found = conflicts.filter(({ route }) => route.kind === kind).toSorted(byPlace)
      if (found.length === 0) this.#board.clear(network, key)
      else
        this.#board.post({
          key,
          network,
          gist: found.slice(0, shown).map(overlapOf).join(),
          problem: () => problemOf(found),
          message: () => `${problemOf(found)}: ${wayOut(network)}`,
        })
    }
  }
}

function byKey(routes: readonly Route[]): ReadonlyMap<string, Omit<Shared, 'nodes'>> {
  return new Map(
    routes.flatMap(({ kind, cidr, via }) =>
      kind === 'KIND_UNSPECIFIED' ? [] : [[`${kind} ${cidr.text} ${via}`, { kind, cidr, via }] as const],
    ),
  )
}

function conflictKey(subnet: Cidr, route: string): string {
  return `${subnet.text} ${route}`
}

function inOrder(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family - b.family
  if (a.first === b.first) return a.prefix - b.prefix
  return a.first < b.first ? -1 : 1
}

/** All of it, and nothing of `cidr`. */
function isBefore(subnet: Cidr, cidr: Cidr): boolean {
  return subnet.family === cidr.family ? subnet.last < cidr.first : subnet.family < cidr.family
}

function byPlace(a: Conflict, b: Conflict): number {
  return inOrder(a.subnet, b.subnet) || inOrder(a.route.cidr, b.route.cidr) || (a.route.via < b.route.via ? -1 : 1)
}

/** `subnet 10.0.9.0/24 overlaps route 10.0.0.0/16 (eth0)` */
function overlapOf({ subnet, route: { kind, cidr, via } }: Conflict): string {
  const what = kind === 'ROUTE' ? cidr.text : cidr.text.slice(0, cidr.text.indexOf('/'))
  return `subnet ${subnet.text} overlaps ${kinds[kind]} ${what}${via && ` (${via})`}`
}

function problemOf(conflicts: readonly Conflict[]): string {
  const named = conflicts.slice(0, shown).map((one) => `${overlapOf(one)} of ${nodesOf(one)}`)
  const more = conflicts.length > shown ? `; and ${conflicts.length - shown} more` : ''
  return `${named.join('; ')}${more}`
}

function wayOut(network: string): string {
  return `what the hosts reach there and the network hide each other; change the hosts, make the network anew on another subnet, or accept it (overlayctl update ${network} --allow-overlap)`
}

/** `nodes h1, h2, h3 and 997 more` */
function nodesOf({ route: { nodes } }: Conflict): string {
  const names = [...nodes].toSorted()
  if (names.length === 1) return `node ${names.join()}`
  const more = names.length > shown ? ` and ${names.length - shown} more` : ''
  return `nodes ${names.slice(0, shown).join(', ')}${more}`
}
