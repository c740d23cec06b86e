/**
 * What a request for a network asks for, checked as far as the request alone
 * tells: by overlayctl before it asks, and by the controller, whoever asks.
 */
import type { CreateNetworkRequest } from '../../proto/index.ts'
import { Faults } from '../faults.ts'
import { checkLabels } from '../labels.ts'
import { parseName } from '../names.ts'
import { shorten } from '../quote.ts'
import { parseVni, type Vni } from '../vni.ts'
import { checkMtu, ipv6Mtu, smallestMtu } from './mtu.ts'
import { checkOptions } from './options.ts'
import { checkSubnet, mostAuxAddresses, type SubnetPlan } from './subnets.ts'

/** A request that has no fault of its own. */
export interface NetworkWish {
  /** Undefined: one is to be made up. */
  readonly name: string | undefined
  /** Empty: one is to be taken from the pools. */
  readonly subnets: readonly SubnetPlan[]
  /** A unique local subnet is to be made up, unless there is an IPv6 one. */
  readonly ipv6: boolean
  /** Undefined: the next free one. */
  readonly vni: Vni | undefined
  /** Bytes; undefined: from the nodes' underlays. */
  readonly mtu: number | undefined
  readonly labels: { readonly [key: string]: string }
  readonly options: { readonly [key: string]: string }
  readonly internal: boolean
  readonly multicast: boolean
  readonly eager: boolean
  readonly allowOverlap: boolean
  /** The network to take from what is not given; undefined: none. */
  readonly configFrom: string | undefined
}

/** A network has at most two: of a list that is much longer the rest is not looked at. */
const mostChecked = 8

/** @throws OverlayError `invalid` with every fault of the request. */
export function validateCreate(request: CreateNetworkRequest): NetworkWish {
  const faults = new Faults()
  const wish = readCreate(faults, request)
  faults.throwIfAny()
  return wish
}

/** Notes what is wrong with the request; the wish is without it then. */
export function readCreate(faults: Faults, request: CreateNetworkRequest): NetworkWish {
  const name = request.name === '' ? undefined : faults.try('name', () => parseName(request.name))
  const subnets = checkSubnets(faults, request)
  const vni = request.vni === 0 ? undefined : faults.try('vni', () => parseVni(request.vni))
  if (request.mtu !== 0) checkMtu(faults, request.mtu, request.ipv6 ? ipv6Mtu : smallestMtu(subnets))
  checkLabels(faults, 'labels', request.labels)
  checkOptions(faults, request.options)
  if (request.configFrom !== '') faults.try('configFrom', () => parseName(request.configFrom))
  const { ipv6, labels, options, internal, multicast, eager, allowOverlap } = request
  const kind = { internal, multicast, eager, allowOverlap }
  const configFrom = request.configFrom || undefined
  return { name, subnets, ipv6, vni, mtu: request.mtu || undefined, labels, options, ...kind, configFrom }
}

function checkSubnets(faults: Faults, { subnets }: CreateNetworkRequest): readonly SubnetPlan[] {
  const plans = subnets.slice(0, mostChecked).flatMap((subnet) => checkSubnet(faults, subnet) ?? [])
  const families = new Set(plans.map(({ cidr }) => cidr.family))
  if (subnets.length > 2 || families.size < plans.length) {
    const named = subnets.slice(0, mostChecked).map(({ cidr }) => shorten(cidr))
    const given = `${named.join(', ')}${subnets.length > mostChecked ? ', …' : ''}`
    faults.add(`subnets: a network takes at most one IPv4 and one IPv6 subnet, not ${given}: make another network`)
  }
  const aux = subnets.reduce((sum, { auxAddresses }) => sum + Object.keys(auxAddresses).length, 0)
  if (aux > mostAuxAddresses)
    faults.add(
      `auxAddresses: ${aux} are too many (at most ${mostAuxAddresses}): keep a part free by an ipRange instead`,
    )
  return plans
}
