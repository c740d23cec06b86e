/** Whether the store is the one, and no older one, that this node has lived with. */
import { OverlayError } from '../../lib/errors.ts'
import type { Store } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import type { StateDir } from './state-dir.ts'

export interface Examination {
  readonly store: Store
  readonly stateDir: StateDir
  readonly guard: Guard
  /** This node's name. */
  readonly node: string
  /** A store that went back is believed all the same: somebody said so (see resync.ts). */
  readonly accept?: boolean
  /** Whether the answer still counts when the store has given it: something else may have been decided since. */
  readonly isAsked?: () => boolean
}

/**
 * Compares the store with the node's memory and tells the guard what speaks
 * against it. Nothing speaks against a store that is this node's first.
 * @returns the cluster's uid, if the store is to be trusted.
 * @throws OverlayError `unavailable` when the store does not answer, or the
 * answer does not count any more.
 */
export async function examineStore(examination: Examination): Promise<string | undefined> {
  const { store, stateDir, guard, node, accept = false, isAsked = () => true } = examination
  const [cluster, { revision }] = await Promise.all([store.get(store.keys.cluster), store.probe()])
  if (!isAsked()) throw new OverlayError('unavailable', 'the store is being examined anew')
  const memory = stateDir.readMemory()
  const at = `the store at ${store.urls.join(', ')} under ${store.keys.prefix}`
  if (!cluster && !memory)
    throw new OverlayError(
      'unavailable',
      `${at} holds no cluster yet: start an overlay-controller with this etcd and prefix`,
    )
  const uid = cluster?.value.uid
  if (memory && uid !== memory.clusterUid) {
    const found = uid ? `is that of cluster ${uid}` : 'holds no cluster'
    guard.set(
      'cluster',
      `${at} ${found}, but this node belongs to cluster ${memory.clusterUid}: check --etcd and --prefix; if this node is to leave its cluster, detach its endpoints, stop the agent, remove ${stateDir.path}/cluster.json and start it again`,
    )
    // The history of another cluster is beside the point.
    guard.set('history', undefined)
    return undefined
  }

  const wentBack = memory && revision < memory.revision
  const doubt =
    memory?.doubt ??
    (wentBack
      ? `${at} is at revision ${revision}, but this node has seen ${memory.revision}: it was restored from an older state; if that is meant to be so, run "overlayctl node resync ${node}": what lives on this host and was lost is then written back`
      : undefined)
  // Once history went back it stays so, even when revisions have grown past what was seen.
  if (memory && doubt && !memory.doubt) stateDir.writeMemory({ ...memory, doubt, wentBackTo: revision })
  guard.set('history', accept ? undefined : doubt)
  guard.set('cluster', undefined)
  return doubt && !accept ? undefined : uid
}
