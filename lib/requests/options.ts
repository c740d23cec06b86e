/** Options of networks. They are kept as given; those of Docker's overlay driver that promise something are not. */
import type { Faults } from '../faults.ts'
import { checkLabels } from '../labels.ts'

const docker = 'com.docker.network.driver'

/** What nobody would act on, though whoever gives it relies on it; and the way out. */
const emptyPromises = [
  [
    'encrypted',
    'there is no encryption yet, and the network would be in clear: leave it out, and let the underlay be WireGuard or IPsec',
  ],
  [`${docker}.mtu`, 'it would not be looked at: give the MTU itself (--mtu)'],
  [`${docker}.overlay.vxlanid_list`, 'it would not be looked at: give the VNI itself (--vni)'],
] as const

/** Notes every option whose key or value is not acceptable, as of a label, or that would be an empty promise. */
export function checkOptions(faults: Faults, options: { readonly [key: string]: string }): void {
  checkLabels(faults, 'options', options)
  for (const [key, why] of emptyPromises)
    if (Object.hasOwn(options, key) && !(key === 'encrypted' && options[key] === 'false'))
      faults.add(`options: ${key}: ${why}`)
}
