/** One controller: its parts on a store, and the API that they serve. */
import { randomBytes } from 'node:crypto'
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { retry } from '../lib/retry.ts'
import { createRpcServer } from '../lib/rpc-server.ts'
import { serverCredentials, type Tls } from '../lib/tls.ts'
import { version } from '../lib/version.ts'
import type { Controller, Identity } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { controllerAccess } from './access/access.ts'
import { viewIdentities } from './access/identities.ts'
import { formatHostPort, type HostPort } from './address.ts'
import { AgentLinks } from './agent-links.ts'
import { type ClusterAuthority, startAuthority } from './authority/authority.ts'
import { ensureCluster } from './cluster.ts'
import { etcdAccess } from './control-plane/etcd-access.ts'
import { listMembers, removeMember } from './control-plane/members.ts'
import { clusterEvents } from './events.ts'
import { janitor } from './janitor.ts'
import { defaultCertificateLife, type SealingKey } from './managed-options.ts'
import type { CreateOptions } from './networks/create.ts'
import { type RangeView, viewRange } from './range-view.ts'
import { keepRegistered } from './registration.ts'
import { addServices } from './services.ts'
import { createWarnings } from './warnings/warnings.ts'

/** Streams are those that follow events; duplex ones are the agents', one of each. */
const mostCalls = { unary: 1_000, 'server-stream': 2_000, duplex: 5_000 }

export interface ControllerParts extends CreateOptions {
  readonly store: Store
  readonly log: Logger
  readonly listen: HostPort
  readonly advertise: HostPort
  /** Without it everybody may call everything. */
  readonly tls: Tls | undefined
  /**
   * With it, and with TLS, this controller issues the certificates of the
   * cluster, and whose identity is not in the store any more is refused.
   */
  readonly sealingKey?: SealingKey | undefined
  /** See AuthorityOptions. */
  readonly etcdTls?: string | undefined
  readonly certificateLife?: number
  /** Seconds after which an unreachable node is evicted; 0: never. */
  readonly nodeGrace: number
  /** Ends every loop; then call `close`. */
  readonly signal: AbortSignal
}

export interface RunningController {
  readonly id: string
  readonly port: number
  /** Ends the calls in progress within two seconds, and gives up what hangs on leases. */
  close(): Promise<void>
}

/** Waits for the store, as long as it takes, and returns when the API is served. */
export async function startController(parts: ControllerParts): Promise<RunningController> {
  const { store, log, listen, advertise, tls, sealingKey, nodeGrace, signal } = parts
  const startedAt = new Date().toISOString()
  // A restarted controller takes the place of its former self at once.
  const id = formatHostPort(advertise)
  const self = { id, address: id, version, startedAt, nodeGrace }
  const identities = sealingKey ? viewRange(store, store.keys.identities, signal, log) : undefined
  const authority = identities && (await ownAuthority(parts, self, identities))
  const fresh = { uid: randomBytes(16).toString('hex'), createdAt: startedAt }
  const cluster = await retry(() => ensureCluster(store, fresh), {
    signal,
    onRetry: (error) => log.warn({ err: OverlayError.from(error), urls: store.urls }, 'waiting for the store'),
  })
  const links = new AgentLinks(log)
  const sessions = viewRange(store, store.keys.sessions, signal, log)
  const warnings = createWarnings({ store, signal, log })
  const events = clusterEvents({ store, sessions, warnings, links, signal, log })
  const access = tls && controllerAccess({ tls, identities: identities && viewIdentities({ store, view: identities }) })
  const server = createRpcServer(log, { name: 'this controller', mostCalls, access })
  const known = { clusterUid: cluster.uid, controllerId: id }
  addServices(server, { ...parts, ...known, links, sessions, events, warnings, authority })
  const port = await server.listen(formatHostPort(listen), serverCredentials(tls))
  const registered = keepRegistered(store, self, { signal, log })
  const unreachable = { grace: nodeGrace * 1000, isConnected: (node: string) => links.isConnected(node) }
  const cleaning = janitor(store, { candidate: self, unreachable, signal, log })
  log.info({ id, listen: formatHostPort(listen), cluster: cluster.uid, etcd: store.urls, version }, 'ready')
  return {
    id,
    port,
    close: async () => {
      await Promise.all([server.close(), registered, cleaning, authority?.ended])
    },
  }
}

/** Before anything is written to the store: with a sealing key of another cluster's nothing is. */
async function ownAuthority(
  parts: ControllerParts,
  candidate: Controller,
  identities: RangeView<Identity>,
): Promise<ClusterAuthority | undefined> {
  const { store, tls, sealingKey, etcdTls, certificateLife = defaultCertificateLife, signal, log } = parts
  if (!sealingKey || !tls) return undefined
  return startAuthority({
    store,
    sealing: sealingKey,
    certificateLife,
    tls,
    etcdTls,
    candidate,
    identities,
    signal,
    log,
    accessAs: (id) => etcdAccess({ store, self: id, log }),
    members: () => listMembers(store),
    removeMember: (host) => removeMember(store, host),
  })
}
