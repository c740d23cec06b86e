/** Whether etcd still tells the same history. */
import type { Header } from './etcd-api.ts'
import type { Revision } from './store.ts'

/** How far a store's history was seen. */
export interface History {
  readonly clusterId: string
  readonly raftTerm: number
  readonly revision: Revision
}

export function historyOf(header: Header): History {
  return {
    clusterId: header.cluster_id,
    raftTerm: Number(header.raft_term),
    revision: Number(header.revision),
  }
}

/**
 * Whether `now` can be later in the history that was seen up to `before`. A
 * member that lags behind may seem not to be: ask again with a linearizable
 * read before believing it. An empty data directory keeps the cluster's id,
 * which etcd derives from its flags; so does a restored snapshot.
 */
export function continues(before: History, now: History): boolean {
  return now.clusterId === before.clusterId && now.raftTerm >= before.raftTerm && now.revision >= before.revision
}

export function later(before: History | undefined, now: History): History {
  if (!before || before.clusterId !== now.clusterId) return now
  return {
    clusterId: now.clusterId,
    raftTerm: Math.max(before.raftTerm, now.raftTerm),
    revision: Math.max(before.revision, now.revision),
  }
}
