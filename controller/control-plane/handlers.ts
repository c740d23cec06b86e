/** Answers the calls of the ControlPlane service. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { parseName } from '../../lib/names.ts'
import type { Handlers } from '../../lib/rpc-server.ts'
import type { ControlPlaneService } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { addMember, listMembers, promoteMember, removeMember } from './members.ts'
import { snapshotPieces } from './snapshot.ts'

export interface ControlPlaneOptions {
  readonly store: Store
  /** Etcd is run by somebody else: its members are theirs to change. */
  readonly externalEtcd: boolean
  readonly log: Logger
}

export function controlPlaneHandlers(options: ControlPlaneOptions): Handlers<typeof ControlPlaneService> {
  const { store, externalEtcd, log } = options
  const requireOwn = () => {
    if (externalEtcd)
      throw new OverlayError(
        'failed_precondition',
        'the etcd of this cluster is run by somebody else (--etcd): change its members, and back it up, with etcdctl',
      )
  }
  return {
    async addMember({ name, peerUrl }) {
      requireOwn()
      const member = await addMember(store, parseName(name), peerUrl)
      log.info({ member: name, peerUrl, id: member.id }, 'etcd member added')
      return { member, members: await listMembers(store) }
    },
    async promoteMember({ name }) {
      requireOwn()
      await promoteMember(store, parseName(name))
      log.info({ member: name }, 'etcd member has its vote')
      return { members: await listMembers(store) }
    },
    async removeMember({ name }) {
      requireOwn()
      await removeMember(store, name)
      log.info({ member: name }, 'etcd member removed')
      return { members: await listMembers(store) }
    },
    async *snapshot(_, { signal }) {
      requireOwn()
      log.info('snapshot of etcd is taken')
      yield* snapshotPieces(store, signal)
    },
  }
}
