/** The record of a new network, told from the wish and what there is. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import type { Cidr } from '../../lib/ip.ts'
import { checkLabels } from '../../lib/labels.ts'
import type { NetworkWish } from '../../lib/requests/create-network.ts'
import { ipv6Mtu, smallestMtu } from '../../lib/requests/mtu.ts'
import type { SubnetPlan } from '../../lib/requests/subnets.ts'
import type { Vni } from '../../lib/vni.ts'
import { Network, type Node, type VniOwner } from '../../proto/index.ts'
import type { Entry } from '../../store/store.ts'
import { Refusals } from '../refusals.ts'
import { freeSubnet, nextVni, type Pool, refuseOverlap, type VniRange } from './allocate.ts'
import { madeUpName } from './made-up-name.ts'
import { mtuOfNodes } from './mtu.ts'
import { pickNetwork } from './reference.ts'
import { plainSubnet, writeSubnet } from './subnets.ts'
import { type RoutesOfNode, type Taken, takenByCluster, takenByHosts } from './taken.ts'
import { ulaSubnet } from './ula.ts'

/** What the cluster holds, and what may be given out. */
export interface Surroundings {
  readonly clusterUid: string
  readonly networks: readonly Entry<Network>[]
  readonly nodes: readonly Node[]
  readonly hostRoutes: readonly RoutesOfNode[]
  /** By VNI. */
  readonly vniOwners: ReadonlyMap<number, VniOwner>
  /** Where the search for a VNI starts. */
  readonly vniCursor: number | undefined
  readonly vnis: VniRange
  readonly pools: readonly Pool[]
}

/** What a record has that only chance and the clock can tell. */
export interface Birth {
  readonly uid: string
  /** RFC 3339. */
  readonly createdAt: string
  /** From 0 up to 1, as Math.random. */
  readonly random: () => number
}

export interface NetworkPlan {
  readonly network: Network
  readonly subnets: readonly SubnetPlan[]
  /** Where the search for the next VNI starts; undefined: where it did. */
  readonly nextVni: Vni | undefined
}

/**
 * @throws OverlayError `already_exists`, `not_found` (the network to take from),
 * `failed_precondition` (overlap, MTU) or `exhausted`: with all reasons, if there
 * are several.
 */
export function planNetwork(given: NetworkWish, surroundings: Surroundings, birth: Birth): NetworkPlan {
  const refusals = new Refusals()
  const wish = refusals.try(() => withConfig(given, surroundings.networks))
  const name = refusals.try(() => planName(given.name, surroundings.networks, birth))
  // One of the same name is refused as such, not for its subnets as well.
  const others = surroundings.networks.filter(({ value }) => value.name !== given.name)
  const subnets = refusals.try(() => planSubnets(wish ?? given, { ...surroundings, networks: others }, birth.uid))
  const vni = refusals.try(() => planVni(given.vni, surroundings))
  // Where the subnets are refused, what is named of them still needs its MTU.
  const mtu = wish && refusals.try(() => planMtu(wish, subnets ?? wish.subnets, surroundings.nodes))
  if (!wish || name === undefined || !subnets || !vni || mtu === undefined) throw refusals.error()
  const network = Network.create({
    name,
    uid: birth.uid,
    vni: vni.vni,
    subnets: subnets.map(writeSubnet),
    mtu,
    labels: wish.labels,
    options: wish.options,
    state: 'READY',
    createdAt: birth.createdAt,
    internal: wish.internal,
    multicast: wish.multicast,
    eager: wish.eager,
    allowOverlap: wish.allowOverlap,
  })
  return { network, subnets, nextVni: vni.next }
}

/** With what the network that is named has and the wish leaves open. */
function withConfig(wish: NetworkWish, networks: readonly Entry<Network>[]): NetworkWish {
  if (wish.configFrom === undefined) return wish
  const { value: from } = pickNetwork(networks, wish.configFrom)
  const labels = { ...from.labels, ...wish.labels }
  const options = { ...from.options, ...wish.options }
  const faults = new Faults()
  checkLabels(faults, `labels, with those of ${from.name}`, labels)
  checkLabels(faults, `options, with those of ${from.name}`, options)
  faults.throwIfAny()
  return {
    ...wish,
    labels,
    options,
    mtu: wish.mtu ?? from.mtu,
    internal: wish.internal || from.internal,
    multicast: wish.multicast || from.multicast,
    eager: wish.eager || from.eager,
    allowOverlap: wish.allowOverlap || from.allowOverlap,
  }
}

function planName(wanted: string | undefined, networks: readonly Entry<Network>[], { random }: Birth): string {
  if (wanted === undefined) return madeUpName(new Set(networks.map(({ value }) => value.name)), random)
  const namesake = networks.find(({ value }) => value.name === wanted)?.value
  if (namesake)
    throw new OverlayError(
      'already_exists',
      `network ${wanted} exists already (${describe(namesake)}): choose another name, or change it (overlayctl update ${wanted})`,
    )
  return wanted
}

function planSubnets(
  { subnets, ipv6, allowOverlap }: NetworkWish,
  { clusterUid, networks, nodes, hostRoutes, pools }: Surroundings,
  uid: string,
): readonly SubnetPlan[] {
  const cluster = takenByCluster(
    networks.map((entry) => entry.value),
    nodes,
  )
  const hosts = takenByHosts(hostRoutes)
  if (subnets.length > 0)
    refuseOverlap(
      subnets.map(({ cidr }) => cidr),
      { cluster, hosts: allowOverlap ? [] : hosts },
    )
  const free = (choose: (taken: readonly Taken[]) => Cidr) =>
    plainSubnet(choice(choose, { cluster, hosts, allowOverlap }))
  const named = subnets.length > 0 ? subnets : [free((taken) => freeSubnet(poolsFor(pools, ipv6), taken))]
  if (!ipv6 || named.some(({ cidr }) => cidr.family === 6)) return named
  return [...named, free((taken) => ulaSubnet(clusterUid, uid, taken))]
}

/** Beside a unique local subnet the pools shall give an IPv4 one, where they can. */
function poolsFor(pools: readonly Pool[], ipv6: boolean): readonly Pool[] {
  const ipv4 = pools.filter(({ cidr }) => cidr.family === 4)
  return ipv6 && ipv4.length > 0 ? ipv4 : pools
}

/**
 * What hosts have is overlapped only where that is allowed and nothing else is left.
 * @throws OverlayError `exhausted`, naming that way out if it is one.
 */
function choice(
  choose: (taken: readonly Taken[]) => Cidr,
  { cluster, hosts, allowOverlap }: { cluster: readonly Taken[]; hosts: readonly Taken[]; allowOverlap: boolean },
): Cidr {
  try {
    return choose([...cluster, ...hosts])
  } catch (error) {
    if (!hasCode(error, 'exhausted')) throw error
    const overlapping = choose(cluster)
    if (allowOverlap) return overlapping
    throw new OverlayError('exhausted', `${error.message}, or let it lie on what hosts have (--allow-overlap)`)
  }
}

function planVni(
  wanted: Vni | undefined,
  { networks, vniOwners, vniCursor, vnis }: Surroundings,
): { readonly vni: Vni; readonly next: Vni | undefined } {
  const used = new Set([...vniOwners.keys(), ...networks.map(({ value }) => value.vni)])
  if (wanted === undefined) return nextVni(vnis, vniCursor, used)
  if (!used.has(wanted)) return { vni: wanted, next: undefined }
  const holder = networks.find(({ value }) => value.vni === wanted)?.value.name ?? vniOwners.get(wanted)?.network
  throw new OverlayError(
    'already_exists',
    `VNI ${wanted} is that of network ${holder} already: choose another --vni, or leave it out`,
  )
}

function planMtu({ mtu, ipv6 }: NetworkWish, subnets: readonly SubnetPlan[], nodes: readonly Node[]): number {
  const needed = ipv6 ? ipv6Mtu : smallestMtu(subnets)
  if (mtu === undefined) return mtuOfNodes(nodes, needed)
  // The wish could be checked only against the subnets that it names.
  if (mtu < needed)
    throw new OverlayError('failed_precondition', `an IPv6 subnet needs an MTU of ${needed}, not ${mtu}: raise --mtu`)
  return mtu
}

function describe({ subnets, vni }: Network): string {
  return [...subnets.map((subnet) => subnet.cidr), `VNI ${vni}`].join(', ')
}
