/** The cluster at a glance. */
import { OverlayError } from '../lib/errors.ts'
import { ClusterStatus, type Init } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { listNodes } from './nodes/list.ts'
import type { Warnings } from './warnings/warnings.ts'

/** A store that has not answered after so many milliseconds is not healthy. */
const patience = 1_500
/** Warnings in one answer. */
const mostWarnings = 100

export interface StatusOptions {
  readonly store: Store
  readonly warnings: Pick<Warnings, 'all' | 'count'>
  readonly clusterUid: string
  readonly controllerId: string
}

/** Answered also without the store, which then is what is wrong. */
export async function clusterStatus(options: StatusOptions): Promise<ClusterStatus> {
  const { store, warnings, clusterUid, controllerId } = options
  const known = { clusterUid, controllerId, warnings: warningLines(warnings) }
  const urls = [...store.urls]
  try {
    return ClusterStatus.create({ ...known, ...(await withPatience(ask(store))) })
  } catch (error) {
    const { message } = OverlayError.from(error)
    return ClusterStatus.create({ ...known, store: { healthy: false, urls, problem: message } })
  }
}

async function ask(store: Store): Promise<Init<ClusterStatus>> {
  const { keys } = store
  const [{ revision, milliseconds }, controllers, nodes, networkCount, endpointCount] = await Promise.all([
    store.probe(),
    store.list(keys.controllers),
    listNodes(store),
    store.count(keys.networks),
    store.count(keys.allEndpoints),
  ])
  return {
    store: { healthy: true, urls: [...store.urls], revision, latencyMs: milliseconds },
    controllers: controllers.entries.map((entry) => entry.value),
    nodes,
    networkCount,
    endpointCount,
  }
}

/** One each; of too many the first, and how many there are. */
export function warningLines(warnings: Pick<Warnings, 'all' | 'count'>): string[] {
  const lines = warnings.all(mostWarnings).map(({ network, message }) => `network ${network}: ${message}`)
  const more = warnings.count - lines.length
  return more > 0 ? [...lines, `and ${more} more: overlayctl inspect tells those of a network`] : lines
}

async function withPatience<T>(promise: Promise<T>): Promise<T> {
  const over = AbortSignal.timeout(patience)
  const refusal = new Promise<never>((_, reject) =>
    over.addEventListener('abort', () =>
      reject(new OverlayError('unavailable', `the store has not answered within ${patience} ms`)),
    ),
  )
  return Promise.race([promise, refusal])
}
