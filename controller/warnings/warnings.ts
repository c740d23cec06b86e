/** What is to be known before it hurts: subnets on routes of nodes, addresses that run out, packets too large for a node. */
import { isIP } from 'node:net'
import type { Logger } from '../../lib/log.ts'
import { smallestMtu } from '../../lib/requests/mtu.ts'
import type { HostRoutes, Network, Node } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Range, Store, Update } from '../../store/store.ts'
import type { Difference } from '../differences.ts'
import { carriedBy } from '../networks/mtu.ts'
import { readCidr } from '../networks/taken.ts'
import { Board, type Later } from './board.ts'
import { Exhaustion } from './exhaustion.ts'
import { MtuConflicts, type PacketSize } from './mtu-conflicts.ts'
import { type Route, RouteConflicts } from './route-conflicts.ts'
import type { Taken } from './taken-addresses.ts'

/** One thing to warn of. */
export interface Warning {
  /** Tells it from others: the same key, the same matter. */
  readonly key: string
  readonly network: string
  /** What is wrong. */
  readonly problem: string
  /** That, and what to do. */
  readonly message: string
}

export interface Warnings {
  /** How many there are now. */
  readonly count: number
  /** Those that there are now, or the first of them, by network. */
  all(most?: number): readonly Warning[]
  of(network: string): readonly Warning[]
  /** Those, or the first of them, whose coming was told, and whose end was not yet. */
  told(most?: number): readonly Warning[]
  /** Told of each that comes, changes its message, or goes, when it has been so for a moment. @returns how to end that. */
  onDifference(listener: (difference: Difference<Warning>) => void): () => void
}

export interface WarningsOptions {
  readonly store: Store
  /** Ends the following of the store. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Calls after some time; for tests. */
  readonly later?: Later
}

/**
 * Follows the store from now on, and waits for nothing: there are no warnings
 * until it is read. Of addresses only the keys are looked at.
 */
export function createWarnings({ store, signal, log, later }: WarningsOptions): Warnings {
  const { keys } = store
  const board = new Board(later)
  const exhaustion = new Exhaustion(board)
  const conflicts = new RouteConflicts(board)
  const mtus = new MtuConflicts(board)

  const followed = <T>(range: Range<T>, take: (update: Followed<T>) => void) => {
    const run = async () => {
      for await (const update of store.follow(range, signal))
        if (update.kind === 'lost') log.debug({ err: update.error, range: range.prefix }, 'lost sight of the store')
        else take(update)
    }
    run().catch((error: unknown) => log.error({ err: error, range: range.prefix }, 'following the store ended'))
  }
  followed(
    keys.networks,
    named(keys.networks, (networks) => {
      for (const [name, network] of networks) {
        const subnets = subnetsOf(network)
        exhaustion.setNetwork(name, subnets)
        mtus.setNetwork(name, network && packetSize(network))
        conflicts.setNetwork(name, network?.allowOverlap ? [] : subnets.flatMap(({ cidr }) => readCidr(cidr) ?? []))
      }
    }),
  )
  followed(
    keys.nodes,
    named(keys.nodes, (nodes) => {
      mtus.setNodes(Array.from(nodes, ([name, node]) => [name, node && mostOf(node)] as const))
    }),
  )
  followed(
    keys.hostRoutes,
    named(keys.hostRoutes, (nodes) => {
      conflicts.setNodes(Array.from(nodes, ([node, routes]) => [node, routesOf(routes)] as const))
    }),
  )
  const followAddresses = ({ prefix }: Range<unknown>, how: Taken) => {
    const range: Range<null> = { prefix, type: null }
    followed(range, (update) => {
      if (update.kind === 'snapshot') return exhaustion.setAll(how, update.paths.map(addressAt(range)))
      for (const change of update.changes) {
        const [network, address] = addressAt(range)(change.kind === 'put' ? change.entry.path : change.path)
        exhaustion.set(network, address, how, change.kind === 'put')
      }
    })
  }
  followAddresses(keys.allAddresses, 'owned')
  followAddresses(keys.allReleasedAddresses, 'released')
  return board
}

type Followed<T> = Exclude<Update<T>, { kind: 'lost' }>

/** Tells of all whose records came, changed or, then undefined, went, by the names that their keys end in. */
function named<T>(range: Range<T>, take: (records: ReadonlyMap<string, T | undefined>) => void) {
  const nameAt = (path: string) => path.slice(range.prefix.length)
  const known = new Set<string>()
  return (update: Followed<T>) => {
    const records = new Map<string, T | undefined>()
    if (update.kind === 'snapshot') {
      const there = new Set(update.paths.map(nameAt))
      for (const name of known) if (!there.has(name)) records.set(name, undefined)
      for (const { path, value } of update.entries) records.set(nameAt(path), value)
    } else {
      for (const change of update.changes)
        if (change.kind === 'put') records.set(nameAt(change.entry.path), change.entry.value)
        else records.set(nameAt(change.path), undefined)
    }
    for (const [name, value] of records)
      if (value === undefined) known.delete(name)
      else known.add(name)
    take(records)
  }
}

function addressAt(range: Range<unknown>) {
  return (path: string): readonly [network: string, address: string] => {
    const [network = '', address = ''] = partsBelow(range, path)
    return [network, address]
  }
}

/** What a record misreports is passed over. */
function subnetsOf(network: Network | undefined) {
  return (network?.subnets ?? []).filter(({ cidr, ipRange }) => readCidr(cidr) && (!ipRange || readCidr(ipRange)))
}

function packetSize(network: Network): PacketSize {
  const cidrs = subnetsOf(network).flatMap(({ cidr }) => readCidr(cidr) ?? [])
  return { mtu: network.mtu, least: smallestMtu(cidrs.map((cidr) => ({ cidr }))) }
}

/** Undefined when its record does not tell. */
function mostOf(node: Node): number | undefined {
  return node.underlayMtu > 0 && isIP(node.vtepAddress) !== 0 ? carriedBy(node) : undefined
}

function routesOf(hostRoutes: HostRoutes | undefined): Route[] {
  return (hostRoutes?.routes ?? []).flatMap(({ kind, cidr, via }) => {
    const parsed = readCidr(cidr)
    return parsed ? [{ kind, cidr: parsed, via }] : []
  })
}
