/** The request of `update`, from its options. */
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import { mtuRange } from '../../lib/requests/mtu.ts'
import { readUpdate } from '../../lib/requests/update-network.ts'
import { UpdateNetworkRequest } from '../../proto/index.ts'
import { type SubnetOptions, subnetChangesOf } from './subnets.ts'
import { checkGiven, labelsOf, pairsOf, refuseFaults, wholeNumber } from './wrong-usage.ts'

/** Values as they were written. */
export interface ChangeOptions extends Pick<SubnetOptions, 'subnet' | 'ipRange'> {
  readonly label?: readonly string[]
  readonly labelRm?: readonly string[]
  readonly opt?: readonly string[]
  readonly optRm?: readonly string[]
  readonly mtu?: string
  readonly allowOverlap?: boolean
}

const flags = {
  name: 'NETWORK',
  subnets: '--subnet',
  subnet: '--subnet',
  ipRange: '--ip-range',
  mtu: '--mtu',
  labels: '--label',
  removeLabels: '--label-rm',
  options: '--opt',
  removeOptions: '--opt-rm',
}

/** @throws UsageError when nothing is to be changed, or with every fault of the request. */
export function updateRequest(name: string, options: ChangeOptions): UpdateNetworkRequest {
  const faults = new Faults()
  faults.try('name', () => parseName(name))
  if (Object.keys(options).length === 0)
    faults.add(
      'update: say what to change: --label, --label-rm, --opt, --opt-rm, --mtu, --subnet, --ip-range or --allow-overlap (see "overlayctl update --help")',
    )
  const { labelRm = [], optRm = [] } = options
  for (const key of labelRm) checkGiven(faults, 'removeLabels', key)
  for (const key of optRm) checkGiven(faults, 'removeOptions', key)
  const request = UpdateNetworkRequest.create({
    name,
    labels: labelsOf(faults, options.label),
    removeLabels: [...labelRm],
    options: pairsOf(faults, 'options', options.opt),
    removeOptions: [...optRm],
    mtu: wholeNumber(faults, 'mtu', options.mtu, { range: mtuRange, least: 1 }) ?? 0,
    ...subnetChangesOf(faults, options),
    allowOverlap: options.allowOverlap ?? false,
  })
  readUpdate(faults, request)
  refuseFaults(faults, flags)
  return request
}
