/** Which networks have packets larger than some node carries. What a node that carries all of them costs is one look. */
import type { Board } from './board.ts'

/** How many nodes a message names. */
const shown = 3

/** What is to be known of a network, in bytes. `least`: less than this it cannot have. */
export interface PacketSize {
  readonly mtu: number
  readonly least: number
}

interface Carrier {
  readonly node: string
  readonly most: number
}

/** Posts one matter per network, however many nodes carry too little. */
export class MtuConflicts {
  readonly #board: Board
  readonly #networks = new Map<string, PacketSize>()
  /** What each node carries, in bytes. */
  readonly #nodes = new Map<string, number>()
  /** The one that carries least first; undefined: to be sorted anew. */
  #sorted: readonly Carrier[] | undefined

  constructor(board: Board) {
    this.#board = board
  }

  /** Undefined: it was removed. */
  setNetwork(name: string, size: PacketSize | undefined): void {
    if (size) this.#networks.set(name, size)
    else this.#networks.delete(name)
    this.#review(name, size)
  }

  /** What the nodes carry now; undefined of one that is gone, or does not tell. */
  setNodes(nodes: Iterable<readonly [string, number | undefined]>): void {
    let least = Number.POSITIVE_INFINITY
    for (const [node, now] of nodes) {
      const before = this.#nodes.get(node)
      if (before === now) continue
      if (now === undefined) this.#nodes.delete(node)
      else this.#nodes.set(node, now)
      least = Math.min(least, before ?? least, now ?? least)
      this.#sorted = undefined
    }
    // With smaller packets it made no difference.
    for (const [name, size] of this.#networks) if (size.mtu > least) this.#review(name, size)
  }

  #review(network: string, size: PacketSize | undefined): void {
    const key = `${network} MTU`
    this.#sorted ??= Array.from(this.#nodes, ([node, most]) => ({ node, most })).toSorted(byMost)
    const sorted = this.#sorted
    const [first] = sorted
    if (!size || !first || first.most >= size.mtu) return this.#board.clear(network, key)
    const nodes = sorted.slice(0, shown).filter(({ most }) => most < size.mtu)
    const problem = () => problemOf(size, sorted)
    this.#board.post({
      key,
      network,
      gist: `${size.mtu} ${nodes.map(({ node, most }) => `${node} ${most}`).join()}`,
      problem,
      message: () => `${problem()}; ${wayOut(network, size, first)}`,
    })
  }
}

function byMost(a: Carrier, b: Carrier): number {
  return a.most - b.most || (a.node < b.node ? -1 : 1)
}

function problemOf({ mtu }: PacketSize, sorted: readonly Carrier[]): string {
  const nodes = sorted.filter(({ most }) => most < mtu)
  const named = nodes.slice(0, shown).map(({ node, most }) => `${node} (${most})`)
  const more = nodes.length > shown ? ` and ${nodes.length - shown} more` : ''
  return `its MTU of ${mtu} is more than ${nodes.length === 1 ? 'node' : 'nodes'} ${named.join(', ')}${more} ${nodes.length === 1 ? 'carries' : 'carry'}: large packets from and to there are lost, and nothing can be attached there`
}

function wayOut(network: string, { least }: PacketSize, { node, most }: Carrier): string {
  const raise = 'raise the MTU of the underlay'
  return most < least ? `${raise} of node ${node}` : `overlayctl update ${network} --mtu ${most}, or ${raise}`
}
