/** What becomes of a network's record by an update, as far as record and request tell. */
import { isDeepStrictEqual } from 'node:util'
import type { Faults } from '../../lib/faults.ts'
import type { Cidr } from '../../lib/ip.ts'
import { mostLabels } from '../../lib/labels.ts'
import { checkMtu, ipv4Mtu, largestMtu, smallestMtu } from '../../lib/requests/mtu.ts'
import type { UpdateWish } from '../../lib/requests/update-network.ts'
import { Network } from '../../proto/index.ts'
import { changeSubnets } from './change-subnets.ts'
import { readSubnet, writeSubnet } from './subnets.ts'

export interface UpdatePlan {
  readonly network: Network
  readonly changed: boolean
  /** The subnets that grow. */
  readonly grown: readonly { readonly present: Cidr; readonly cidr: Cidr }[]
  /** The MTU, if it changes, in bytes. */
  readonly mtu: number | undefined
}

type Pairs = { readonly [key: string]: string }

/** Notes what the network as it is does not allow. */
export function planUpdate(faults: Faults, before: Network, { request, changes, noRange }: UpdateWish): UpdatePlan {
  const present = before.subnets.map(readSubnet)
  const subnets = changeSubnets(faults, before, present, { changes, noRange })
  const least = smallestMtu(present)
  // Out of every network's range: that has been noted.
  if (request.mtu >= ipv4Mtu && request.mtu <= largestMtu) checkMtu(faults, request.mtu, least)
  const network = Network.create({
    ...before,
    labels: changePairs(faults, 'labels', before.labels, request.labels, request.removeLabels),
    options: changePairs(faults, 'options', before.options, request.options, request.removeOptions),
    mtu: request.mtu || before.mtu,
    subnets: subnets.map(writeSubnet),
    allowOverlap: before.allowOverlap || request.allowOverlap,
  })
  return {
    network,
    changed: !isDeepStrictEqual(Network.toJson(network), Network.toJson(before)),
    grown: subnets.flatMap(({ cidr }, at) => {
      const old = present[at]?.cidr
      return old && old.text !== cidr.text ? [{ present: old, cidr }] : []
    }),
    mtu: network.mtu === before.mtu ? undefined : network.mtu,
  }
}

function changePairs(faults: Faults, field: string, before: Pairs, given: Pairs, removed: readonly string[]): Pairs {
  const kept = Object.fromEntries(Object.entries(before).filter(([key]) => !removed.includes(key)))
  const pairs = { ...kept, ...given }
  const count = Object.keys(pairs).length
  // Too many in the request itself: that has been noted.
  if (count > mostLabels && Object.keys(given).length <= mostLabels)
    faults.add(`${field}: ${count} in all are too many (at most ${mostLabels}): remove some`)
  return pairs
}
