/** What lives on this host, by what the agent knows itself: the store may have lost it. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Endpoint } from '../proto/index.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import type { Kernel } from './kernel/kernel.ts'
import type { StateDir } from './node/state-dir.ts'
import { pluggedEndpoints } from './state/device-names.ts'
import type { EndpointView, Self } from './state/view.ts'
import { endpointRecord, readEndpoint } from './view/records.ts'

export interface Living {
  readonly endpoint: EndpointView
  /** Of the network that it was attached to; empty where that is not known. */
  readonly networkUid: string
}

/** The endpoints of this boot that are not being attached or detached, as the view has them. */
export function livingInView({ view }: Pick<EndpointParts, 'view'>): readonly Living[] {
  return [...view.localEndpoints()]
    .filter(({ id, sandbox }) => sandbox?.bootId === view.self.bootId && !view.hasOpenIntent(id))
    .map((endpoint) => ({ endpoint, networkUid: view.network(endpoint.network)?.uid ?? '' }))
}

/** Those that a former run wrote down and whose interfaces are there. */
export async function livingInKernel(
  kernel: Pick<Kernel, 'observe'>,
  stateDir: Pick<StateDir, 'readEndpoints' | 'readIntents'>,
  { clusterUid, bootId, node }: Pick<Self, 'clusterUid' | 'bootId' | 'node'>,
): Promise<readonly Living[]> {
  const plugged = new Set(pluggedEndpoints(clusterUid, await kernel.observe()).map(({ id }) => id))
  const open = new Set(stateDir.readIntents().map(({ endpointId }) => endpointId))
  return stateDir.readEndpoints().flatMap((value) => {
    const { id, sandbox, networkUid } = value
    if (!plugged.has(id) || open.has(id) || value.node !== node || sandbox?.bootId !== bootId) return []
    const endpoint = readIfUsable(value)
    return endpoint ? [{ endpoint, networkUid }] : []
  })
}

/** Its revisions were another run's: it was not made before this node, and what the store says of it is newer. */
function readIfUsable(value: Endpoint): EndpointView | undefined {
  try {
    return readEndpoint({ value, createRevision: Number.MAX_SAFE_INTEGER, modRevision: -1 })
  } catch {
    return undefined
  }
}

/** Writes down what lives here, when it is another than before. Throws nothing: the next time it is tried again. */
export function createDiary(stateDir: Pick<StateDir, 'writeEndpoints'>, log: Logger) {
  let written: readonly EndpointView[] | undefined
  return (parts: Pick<EndpointParts, 'view'>): void => {
    const living = livingInView(parts)
    const same = living.length === written?.length && living.every(({ endpoint }, at) => endpoint === written?.[at])
    if (same) return
    try {
      const { view } = parts
      stateDir.writeEndpoints(living.map(({ endpoint }) => endpointRecord(endpoint, view.network(endpoint.network))))
      written = living.map(({ endpoint }) => endpoint)
    } catch (error) {
      log.warn({ err: OverlayError.from(error) }, 'what lives on this host could not be written down')
    }
  }
}
