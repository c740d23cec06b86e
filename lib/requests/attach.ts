/** What a request to attach asks for, checked as far as the request alone tells. */
import type { AttachRequest } from '../../proto/index.ts'
import type { Faults } from '../faults.ts'
import { familyOf, parseIp } from '../ip.ts'
import { checkLabels } from '../labels.ts'
import { parseEndpointMac } from '../mac.ts'
import { parseIfname, parseName } from '../names.ts'
import { shorten } from '../quote.ts'

/** See Endpoint.gw_priority. */
const mostGwPriority = 500

/** For people. */
export const gwPriorityRange = `from -${mostGwPriority} to ${mostGwPriority}`

/** Notes what is wrong with all but the sandbox and the node: these are of a host. */
export function checkAttach(faults: Faults, request: AttachRequest): void {
  faults.try('network', () => parseName(request.network))
  if (request.ifname) faults.try('ifname', () => parseIfname(request.ifname))
  if (request.ifname === 'lo') faults.add('ifname: "lo" is the loopback of every sandbox: choose another')
  if (request.name) faults.try('name', () => parseName(request.name))
  checkAddresses(faults, request.addresses)
  if (request.mac) faults.try('mac', () => parseEndpointMac(request.mac))
  if (Math.abs(request.gwPriority) > mostGwPriority)
    faults.add(`gwPriority: ${request.gwPriority} is out of range: ${gwPriorityRange}`)
  checkLabels(faults, 'labels', request.labels)
}

function checkAddresses(faults: Faults, addresses: readonly string[]): void {
  const ips = addresses.slice(0, 2).map((address) => faults.try('addresses', () => parseIp(address)))
  const families = ips.filter((ip) => ip !== undefined).map(familyOf)
  if (addresses.length <= 2 && new Set(families).size === families.length) return
  const named = addresses.slice(0, 4).map((text) => shorten(text))
  const more = addresses.length > named.length ? ', …' : ''
  faults.add(`addresses: an endpoint has at most one IPv4 and one IPv6 address, not ${named.join(', ')}${more}`)
}
