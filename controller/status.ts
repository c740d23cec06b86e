/** The cluster at a glance. */
import { OverlayError } from '../lib/errors.ts'
import { ClusterStatus, type Init } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { listNodes } from './nodes/list.ts'

/** A store that has not answered after so many milliseconds is not healthy. */
const patience = 1_500

export interface StatusOptions {
  readonly store: Store
  readonly clusterUid: string
  readonly controllerId: string
}

/** Answered also without the store, which then is what is wrong. */
export async function clusterStatus({ store, clusterUid, controllerId }: StatusOptions): Promise<ClusterStatus> {
  const known = { clusterUid, controllerId }
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

async function withPatience<T>(promise: Promise<T>): Promise<T> {
  const over = AbortSignal.timeout(patience)
  const refusal = new Promise<never>((_, reject) =>
    over.addEventListener('abort', () =>
      reject(new OverlayError('unavailable', `the store has not answered within ${patience} ms`)),
    ),
  )
  return Promise.race([promise, refusal])
}
