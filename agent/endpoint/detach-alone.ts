/**
 * Detaching while the agent has not got in sync since its start: no store, or
 * one that it must not believe. All that is known is what the kernel shows.
 */
import { OverlayError } from '../../lib/errors.ts'
import { type DetachRequest, DetachResponse } from '../../proto/index.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { StateDir } from '../node/state-dir.ts'
import { pluggedEndpoints } from '../state/device-names.ts'

export interface AloneParts {
  readonly kernel: Pick<Kernel, 'observe' | 'apply'>
  readonly stateDir: Pick<StateDir, 'writeIntent'>
  readonly clusterUid: string
  readonly node: string
  readonly bootId: string
}

/**
 * Takes the interface down and leaves the release as an intent, which is settled
 * as soon as the agent is in sync.
 * @throws OverlayError `not_found`, naming the endpoints that are here;
 * `invalid` when the request names no endpoint's id.
 */
export async function detachAlone(parts: AloneParts, request: DetachRequest): Promise<DetachResponse> {
  const { kernel, stateDir, clusterUid, node, bootId } = parts
  if (request.node && request.node !== node)
    throw new OverlayError('invalid', `this is the agent of ${node}, not of ${request.node}: ask the controller`)
  const plugged = pluggedEndpoints(clusterUid, await kernel.observe())
  const { endpointId } = request
  const known = plugged.map(({ id, network }) => `${id} (${network})`).join(', ') || 'none'
  if (endpointId.length < 4)
    throw new OverlayError(
      'invalid',
      `the agent has not reached the store since its start: name an endpoint's id; here are ${known}`,
    )
  const [found, ...others] = plugged.filter(({ id }) => id.startsWith(endpointId))
  if (!found || others.length > 0)
    throw new OverlayError('not_found', `there is no one endpoint ${endpointId} on node ${node}: here are ${known}`)
  const { id, network, item } = found
  stateDir.writeIntent({ kind: 'release', network, endpointId: id, bootId, cookie: '' })
  const [result] = await kernel.apply([{ do: 'delete', item }])
  if (result && !result.ok) throw result.error
  return DetachResponse.create({
    endpoint: { id, network, node },
    warning: 'the interface is gone, but its addresses are only released when the agent is in sync with the store',
  })
}
