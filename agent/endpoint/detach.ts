/** Detaches an endpoint of this host. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { isName } from '../../lib/names.ts'
import { byReference } from '../../lib/reference.ts'
import { type DetachRequest, DetachResponse } from '../../proto/index.ts'
import { endpointKey } from '../state/key.ts'
import type { EndpointView } from '../state/view.ts'
import { endpointRecord } from '../view/records.ts'
import type { EndpointParts } from './parts.ts'
import { sandboxPath } from './sandbox-path.ts'
import { takeDownInTheEnd } from './settle.ts'
import { dropIfUnused } from './take-down.ts'

/**
 * Takes the interface down and releases the addresses. Succeeds with a warning
 * when the store is away: the release is made up for later.
 * @throws OverlayError `not_found`, `invalid`; `unavailable` when too many wait
 */
export async function detach(
  parts: EndpointParts,
  request: DetachRequest,
  signal: AbortSignal,
): Promise<DetachResponse> {
  const { network, id } = find(parts, request)
  return parts.turns.offer(network, signal, async () => {
    const endpoint = parts.view.endpoint(network, id)
    if (!endpoint) throw new OverlayError('not_found', `endpoint ${id} was detached meanwhile`)
    const record = endpointRecord(endpoint, parts.view.network(network))
    const { warning } = await takeDownInTheEnd(parts, endpoint)
    dropIfUnused(parts, network)
    // What hung on the network alone goes with its last endpoint.
    await parts.reconciler.settle([endpointKey(network, id)])
    return DetachResponse.create({ endpoint: record, warning })
  })
}

function find(parts: EndpointParts, request: DetachRequest): EndpointView {
  const { view } = parts
  if (request.node && request.node !== view.self.node)
    throw new OverlayError(
      'invalid',
      `this is the agent of ${view.self.node}, not of ${request.node}: ask the controller`,
    )
  const matches = request.endpointId ? byId(parts, request) : bySandbox(parts, request)
  const [found, ...others] = matches.filter(({ id }) => !view.hasOpenIntent(id))
  if (!found) throw new OverlayError('not_found', notFoundText(view.self.node, request))
  if (others.length === 0) return found
  const all = [found, ...others].map(({ id, ifname, network }) => `${id} (${ifname} in ${network})`).join(', ')
  throw new OverlayError('invalid', `that names more than one endpoint: ${all}: give the id of one`)
}

/** By its id, the beginning of that, or its name, in one network or in all. */
function byId({ view }: EndpointParts, { endpointId: called, network }: DetachRequest): readonly EndpointView[] {
  if (!isName(called))
    throw new OverlayError(
      'invalid',
      `"${called}" is neither an endpoint's id (32 hex digits, or at least the first 4 of them) nor an endpoint's name`,
    )
  const isId = /^[0-9a-f]{4,32}$/.test(called)
  const among = view.localEndpoints(network ? networkName(view, network) : undefined)
  return [...among].filter(({ id, name }) => name === called || (isId && id.startsWith(called)))
}

function bySandbox({ view, kernel }: EndpointParts, request: DetachRequest): readonly EndpointView[] {
  if (!request.network) throw new OverlayError('invalid', 'name an endpoint, or a network and a sandbox')
  const network = networkName(view, request.network)
  const path = sandboxPath(request)
  const all = [...view.localEndpoints(network)]
  // Where the namespace is gone, its path is all that is left to go by.
  const former = all.filter(({ sandbox }) => sandbox?.path === path)
  const cookie = cookieIfThere(kernel, path, former.length > 0)
  if (cookie === undefined) return former
  const there = all.filter(({ sandbox }) => sandbox?.cookie === cookie && sandbox.bootId === view.self.bootId)
  return there.length > 0 ? there : former.filter(({ id }) => view.isVanished(id))
}

/** Also of a network that the store has lost. */
function networkName(view: EndpointParts['view'], reference: string): string {
  return view.network(reference)?.name ?? byReference(view.networks(), 'network', reference)?.name ?? reference
}

/** `wasThere`: then something else at the path, a plain file perhaps, is what is left of it. */
function cookieIfThere(kernel: EndpointParts['kernel'], path: string, wasThere: boolean): string | undefined {
  try {
    return kernel.netnsIdentity(path).cookie
  } catch (error) {
    if (hasCode(error, 'not_found') || (wasThere && hasCode(error, 'invalid'))) return undefined
    throw error
  }
}

function notFoundText(node: string, { endpointId, network, netns, pid }: DetachRequest): string {
  const what = endpointId ? `endpoint ${endpointId}` : `attachment of ${netns ?? `process ${pid}`} to ${network}`
  return `there is no ${what} on node ${node}: see "overlayctl endpoint ls --node ${node}"`
}
