/** Frees an address that nobody uses. */
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { contains, type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { parseName } from '../../lib/names.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { AddressOwner, Network, ReleaseAddressRequest, ReleaseAddressResponse } from '../../proto/index.ts'
import { remove, type Write } from '../../store/store.ts'
import { findNetwork } from '../networks/reference.ts'
import type { IpamParts } from './check.ts'
import { hasClaim } from './claims.ts'
import type { Sight } from './diagnose.ts'
import { createEvidence, type Evidence } from './evidence.ts'
import { sightBy } from './look.ts'
import { useOnLink } from './of-links.ts'
import { reservedAs, reservedText } from './reserved.ts'
import { endTenures } from './tenures.ts'

/** A claim may come between, but hardly so often. */
const attempts = 10
const backoff = { first: 5, most: 100 }

/**
 * It is free at once: who asks for this knows that nobody expects it at its old place.
 * @throws OverlayError `invalid`; `not_found`: no such network, or the address
 * is free; `failed_precondition`: it is in use, and by whom.
 */
export async function releaseAddress(
  parts: IpamParts,
  request: ReleaseAddressRequest,
  signal: AbortSignal,
): Promise<ReleaseAddressResponse> {
  const { store } = parts
  const faults = new Faults()
  faults.try('network', () => parseName(request.network))
  const ip = faults.try('address', () => parseIp(request.address))
  faults.throwIfAny()
  const { value: network } = await findNetwork(store, request.network)
  if (ip === undefined || !network.subnets.some(({ cidr }) => contains(parseCidr(cidr), ip)))
    throw new OverlayError(
      'invalid',
      `address: ${request.address} is not in network ${network.name}: its addresses are in ${network.subnets.map(({ cidr }) => cidr).join(' and ')}`,
    )
  for (let attempt = 0; attempt < attempts; attempt++) {
    const evidence = createEvidence(store)
    const { was, writes } = await releaseOf(sightBy(parts, signal), evidence, network.name, ip)
    const outcome = await store.commit({ compares: evidence.compares(), writes })
    if (outcome.committed) return { was }
    await pause(delayBefore(attempt, backoff))
  }
  throw new OverlayError('conflict', `address ${ip} of network ${network.name} changes all the time: try again`)
}

interface Release extends ReleaseAddressResponse {
  readonly writes: readonly Write[]
}

async function releaseOf(sight: Sight, evidence: Evidence, name: string, ip: Ip): Promise<Release> {
  const { keys } = sight.store
  const [network, owner, rest] = await Promise.all([
    evidence.get(keys.network(name)),
    evidence.get(keys.address(name, ip)),
    evidence.get(keys.releasedAddress(name, ip)),
  ])
  if (!network) throw new OverlayError('not_found', `network ${name} was removed meanwhile`)
  refuseReserved(network.value, ip)
  const writes = [remove(keys.address(name, ip)), remove(keys.releasedAddress(name, ip))]
  if (owner) {
    const { was, more } = await looseOwner(sight, evidence, name, ip, owner.value)
    return { was, writes: [...writes, ...more] }
  }
  if (rest) return { was: `in quarantine until ${rest.value.freeAt}`, writes }
  throw new OverlayError('not_found', `address ${ip} of network ${name} is free: there is nothing to release`)
}

function refuseReserved(network: Network, ip: Ip): void {
  const reserved = reservedAs(network, ip)
  if (reserved)
    throw new OverlayError(
      'failed_precondition',
      `address ${ip} is ${reservedText(reserved)} of network ${network.name}, which has it for as long as the network is there`,
    )
}

/** What an owner was who does not use the address; refuses one who does. */
async function looseOwner(
  sight: Sight,
  evidence: Evidence,
  network: string,
  ip: Ip,
  owner: AddressOwner,
): Promise<{ was: string; more: readonly Write[] }> {
  const { kind, endpointId, node, expiresAt } = owner
  switch (kind) {
    case 'ENDPOINT': {
      const { store } = sight
      const endpoint = (await evidence.get(store.keys.endpoint(network, endpointId)))?.value
      if (endpoint && hasClaim(endpoint, { kind: 'address', subject: ip }))
        throw new OverlayError(
          'failed_precondition',
          `address ${ip} of network ${network} is in use by endpoint ${endpointId}${endpoint.name && ` (${endpoint.name})`} on node ${endpoint.node}: detach it (overlayctl detach --node ${endpoint.node} ${endpointId})`,
        )
      // Where the node cannot be asked, who asks for this knows better.
      const use = await useOnLink(sight, evidence, { network, endpointId, node, ip })
      if (use && 'device' in use)
        throw new OverlayError(
          'failed_precondition',
          `address ${ip} of network ${network} is in use: link ${use.device} of endpoint ${endpointId} on node ${node} is still there: ${use.says}`,
        )
      const why = endpoint ? 'does not have it' : 'is not there'
      return {
        was: `owned by endpoint ${endpointId}, which ${why}`,
        more: await endTenures(store, evidence, { network, ip, endpointId }, 'REPAIRED'),
      }
    }
    case 'RESERVATION':
      return { was: `reserved by node ${node}${expiresAt && ` until ${expiresAt}`}`, more: [] }
    case 'GATEWAY':
    case 'AUXILIARY':
      return { was: `kept as ${reservedText(owner)}, which the network has not there`, more: [] }
    case 'KIND_UNSPECIFIED':
      throw new OverlayError(
        'failed_precondition',
        `address ${ip} of network ${network} has an owner that this version does not know: release it with the newest version`,
      )
  }
}
