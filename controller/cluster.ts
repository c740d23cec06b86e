/** The record of the cluster itself, made once by whichever controller comes first. */
import type { Cluster } from '../proto/index.ts'
import { absent, put, type Store } from '../store/store.ts'

/**
 * The cluster's record; it is made, as `fresh`, in a store that has none. May
 * be repeated, also after an error.
 * @throws OverlayError `unavailable`
 */
export async function ensureCluster(store: Store, fresh: Cluster): Promise<Cluster> {
  const key = store.keys.cluster
  const there = await store.get(key)
  if (there) return there.value
  const outcome = await store.commit({ compares: [absent(key)], writes: [put(key, fresh)] })
  // Lost the race: the other controller's it is.
  return outcome.committed ? fresh : ensureCluster(store, fresh)
}
