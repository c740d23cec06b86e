/** The request of `create`, from its options. */
import { Faults } from '../../lib/faults.ts'
import { readCreate } from '../../lib/requests/create-network.ts'
import { mtuRange } from '../../lib/requests/mtu.ts'
import { vniRange } from '../../lib/vni.ts'
import { CreateNetworkRequest } from '../../proto/index.ts'
import { type SubnetOptions, subnetsOf } from './subnets.ts'
import { checkGiven, labelsOf, pairsOf, refuseFaults, wholeNumber } from './wrong-usage.ts'

/** What the new network is to be; values as they were written. */
export interface NetworkOptions extends SubnetOptions {
  readonly ipv6?: boolean
  readonly internal?: boolean
  readonly mtu?: string
  readonly vni?: string
  readonly label?: readonly string[]
  readonly opt?: readonly string[]
  readonly multicast?: boolean
  readonly eager?: boolean
  readonly allowOverlap?: boolean
  readonly configFrom?: string
}

const flags = {
  name: 'NAME',
  subnets: '--subnet',
  subnet: '--subnet',
  gateway: '--gateway',
  ipRange: '--ip-range',
  auxAddresses: '--aux-address',
  mtu: '--mtu',
  vni: '--vni',
  labels: '--label',
  options: '--opt',
  configFrom: '--config-from',
}

/** @throws UsageError with every fault of the request. */
export function createRequest(name: string | undefined, options: NetworkOptions): CreateNetworkRequest {
  const faults = new Faults()
  checkGiven(faults, 'name', name)
  checkGiven(faults, 'configFrom', options.configFrom)
  const request = CreateNetworkRequest.create({
    name: name ?? '',
    subnets: subnetsOf(faults, options),
    ipv6: options.ipv6 ?? false,
    internal: options.internal ?? false,
    mtu: wholeNumber(faults, 'mtu', options.mtu, { range: mtuRange, least: 1 }) ?? 0,
    vni: wholeNumber(faults, 'vni', options.vni, { range: vniRange, least: 1 }) ?? 0,
    labels: labelsOf(faults, options.label),
    options: pairsOf(faults, 'options', options.opt),
    multicast: options.multicast ?? false,
    eager: options.eager ?? false,
    allowOverlap: options.allowOverlap ?? false,
    configFrom: options.configFrom ?? '',
  })
  readCreate(faults, request)
  refuseFaults(faults, flags)
  return request
}
