/** What a request to attach wants, once it is read. */
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { familyOf, type Ip, parseIp } from '../../lib/ip.ts'
import { type Mac, parseEndpointMac } from '../../lib/mac.ts'
import { checkAttach } from '../../lib/requests/attach.ts'
import { vxlanOverhead } from '../../lib/vxlan.ts'
import type { AttachRequest } from '../../proto/index.ts'
import { addressFaults } from '../ipam/requested.ts'
import { gatewayMac } from '../plan.ts'
import type { NetworkView, Self } from '../state/view.ts'
import type { EndpointParts } from './parts.ts'
import { sandboxPath } from './sandbox-path.ts'

export interface Wanted {
  /** As the request calls it. */
  readonly reference: string
  /** Where the sandbox is, and what it is. */
  readonly path: string
  readonly cookie: string
  /** Empty: one of our choice. */
  readonly ifname: string
  /** Empty: none. */
  readonly name: string
  readonly addresses: readonly Ip[]
  /** Undefined: derived from the endpoint's id. */
  readonly mac: Mac | undefined
  readonly gwPriority: number
  readonly labels: Readonly<Record<string, string>>
}

/**
 * @throws OverlayError `invalid` with every fault of the request, those that the
 * network as the view has it shows among them; `not_found` when there is no such sandbox.
 */
export function readRequest({ view, kernel }: Pick<EndpointParts, 'view' | 'kernel'>, request: AttachRequest): Wanted {
  const { network: reference, ifname, name, labels, gwPriority } = request
  const faults = new Faults()
  if (request.node && request.node !== view.self.node)
    faults.add(`node: this is the agent of ${view.self.node}, not of ${request.node}: ask the controller`)
  checkAttach(faults, request)
  const path = faults.try('sandbox', () => sandboxPath(request)) ?? ''
  // What is wrong with these has been told; the rest is held against the network.
  const told = new Faults()
  const addresses = request.addresses.flatMap((text) => told.try('addresses', () => parseIp(text)) ?? [])
  const mac = request.mac ? told.try('mac', () => parseEndpointMac(request.mac)) : undefined
  const network = faults.all.length > 0 ? view.network(reference) : undefined
  if (network) for (const { message } of refusals(view.self, network, { addresses, mac })) faults.add(message)
  faults.throwIfAny()
  const { cookie } = kernel.netnsIdentity(path)
  return { reference, path, cookie, ifname, name, addresses, mac, gwPriority, labels }
}

/**
 * Whether this host and that network can give what is wanted.
 * @throws OverlayError naming all that they cannot: `invalid` (addresses), else
 * `failed_precondition` (MTU), `already_exists` (MAC)
 */
export function checkWanted(self: Self, network: NetworkView, wanted: Wanted): void {
  const all = refusals(self, network, wanted)
  const worst = all.find(({ code }) => code === 'invalid') ?? all[0]
  if (worst) throw new OverlayError(worst.code, all.map(({ message }) => message).join('; '))
}

/** Why the underlay of this host does not carry the network's frames; undefined if it does, or there is no such network. */
export function misfit(self: Self, network: NetworkView | undefined): string | undefined {
  const most = self.underlayMtu - vxlanOverhead[familyOf(self.vtep)]
  if (!network || network.mtu <= most) return undefined
  return `network ${network.name} has an MTU of ${network.mtu}, but the underlay of node ${self.node} (MTU ${self.underlayMtu}) carries at most ${most}: raise the underlay's MTU, or run "overlayctl update ${network.name} --mtu ${most}"`
}

function refusals(
  self: Self,
  network: NetworkView,
  { addresses, mac }: Pick<Wanted, 'addresses' | 'mac'>,
): readonly OverlayError[] {
  const found = addressFaults(network, addresses).map((fault) => new OverlayError('invalid', fault))
  const tooNarrow = misfit(self, network)
  if (tooNarrow) found.push(new OverlayError('failed_precondition', tooNarrow))
  if (mac === gatewayMac(network))
    found.push(
      new OverlayError('already_exists', `MAC ${mac} is taken in ${network.name} by the gateway: ask for another`),
    )
  return found
}
