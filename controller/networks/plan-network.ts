/** The record of a new network, told from the wish and what there is. */
import { OverlayError } from '../../lib/errors.ts'
import { cidrAt, familyOf, ipValue, parseCidr, parseIp } from '../../lib/ip.ts'
import type { Vni } from '../../lib/vni.ts'
import { Network, type Node } from '../../proto/index.ts'
import { freeSubnet, nextVni, type Pool, refuseOverlap, type Taken, type VniRange } from './allocate.ts'
import { madeUpName } from './made-up-name.ts'
import { mtuOfNodes, smallestMtu } from './mtu.ts'
import { defaultGateway, type NetworkWish, type SubnetPlan } from './validate.ts'

/** What the cluster holds, and what may be given out. */
export interface Surroundings {
  readonly networks: readonly Network[]
  readonly nodes: readonly Node[]
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

/**
 * @returns the record, and where the search for the next VNI starts.
 * @throws OverlayError `already_exists`, `failed_precondition` (overlap, MTU)
 * or `exhausted`.
 */
export function planNetwork(
  wish: NetworkWish,
  { networks, nodes, vniCursor, vnis, pools }: Surroundings,
  { uid, createdAt, random }: Birth,
): { network: Network; nextVni: Vni } {
  const name = wish.name ?? madeUpName(new Set(networks.map((network) => network.name)), random)
  const namesake = networks.find((network) => network.name === name)
  if (namesake) throw new OverlayError('already_exists', `network ${name} exists already (${describe(namesake)})`)
  const subnets = planSubnets(wish, pools, takenBy(networks, nodes))
  const mtu = wish.mtu ?? mtuOfNodes(nodes, subnets)
  // The wish could be checked only against the subnets that it names.
  if (mtu < smallestMtu(subnets))
    throw new OverlayError('failed_precondition', `an IPv6 subnet needs an MTU of 1280, not ${mtu}: raise --mtu`)
  const { vni, next } = nextVni(vnis, vniCursor, new Set(networks.map((network) => network.vni)))
  const network = Network.create({
    name,
    uid,
    vni,
    subnets: subnets.map(({ cidr, gateway }) => ({ cidr: cidr.text, gateway })),
    mtu,
    labels: wish.labels,
    options: wish.options,
    state: 'READY',
    createdAt,
  })
  return { network, nextVni: next }
}

function planSubnets(wish: NetworkWish, pools: readonly Pool[], taken: readonly Taken[]): readonly SubnetPlan[] {
  if (wish.subnets.length === 0) {
    const cidr = freeSubnet(pools, taken)
    return [{ cidr, gateway: defaultGateway(cidr) }]
  }
  refuseOverlap(
    wish.subnets.map(({ cidr }) => cidr),
    taken,
  )
  return wish.subnets
}

/**
 * Where no subnet may lie: on another network's, and on a VTEP, because the
 * gateway's route on every host would then lead the VXLAN packets for that node
 * into the network itself.
 */
function takenBy(networks: readonly Network[], nodes: readonly Node[]): readonly Taken[] {
  const ofNetworks = networks.flatMap(({ name, subnets }) =>
    subnets.map((subnet) => ({ cidr: parseCidr(subnet.cidr), by: `network ${name}` })),
  )
  const ofNodes = nodes.map(({ name, vtepAddress }) => {
    const ip = parseIp(vtepAddress)
    const family = familyOf(ip)
    return { cidr: cidrAt(family, ipValue(ip), family === 4 ? 32 : 128), by: `node ${name}'s VTEP` }
  })
  return [...ofNetworks, ...ofNodes]
}

function describe({ subnets, vni }: Network): string {
  return [...subnets.map((subnet) => subnet.cidr), `VNI ${vni}`].join(', ')
}
