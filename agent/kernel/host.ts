/** What all kernel work on this host shares. */
import type { Logger } from '../../lib/log.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import type { Namespaces } from './netns.ts'
import type { Ownership } from './ownership.ts'

export interface Host {
  /** In the host's namespace. */
  readonly socket: NetlinkSocket
  /** The same, for questions about other namespaces. */
  readonly strictSocket: NetlinkSocket
  readonly namespaces: Namespaces
  readonly owned: Ownership
  /** Veths that were made ahead and are to be taken up: their indexes by name. */
  readonly prepared: Map<string, number>
  readonly log: Logger
}
