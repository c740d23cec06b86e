/** One controller: its parts on a store, and the API that they serve. */
import { randomBytes } from 'node:crypto'
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { retry } from '../lib/retry.ts'
import { createRpcServer } from '../lib/rpc-server.ts'
import { serverCredentials, type TlsMaterial } from '../lib/tls.ts'
import { version } from '../lib/version.ts'
import type { Store } from '../store/store.ts'
import { formatHostPort, type HostPort } from './address.ts'
import { AgentLinks } from './agent-links.ts'
import { ensureCluster } from './cluster.ts'
import { clusterEvents } from './events.ts'
import { janitor } from './janitor.ts'
import type { CreateOptions } from './networks/create.ts'
import { viewRange } from './range-view.ts'
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
  readonly tls: TlsMaterial | undefined
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
  const { store, log, listen, advertise, tls, nodeGrace, signal } = parts
  const startedAt = new Date().toISOString()
  const fresh = { uid: randomBytes(16).toString('hex'), createdAt: startedAt }
  const cluster = await retry(() => ensureCluster(store, fresh), {
    signal,
    onRetry: (error) => log.warn({ err: OverlayError.from(error), urls: store.urls }, 'waiting for the store'),
  })
  const links = new AgentLinks(log)
  const sessions = viewRange(store, store.keys.sessions, signal, log)
  const warnings = createWarnings({ store, signal, log })
  const events = clusterEvents({ store, sessions, warnings, links, signal, log })
  // A restarted controller takes the place of its former self at once.
  const id = formatHostPort(advertise)
  const server = createRpcServer(log, { name: 'this controller', mostCalls })
  addServices(server, { ...parts, links, sessions, events, warnings, clusterUid: cluster.uid, controllerId: id })
  const port = await server.listen(formatHostPort(listen), serverCredentials(tls))
  const self = { id, address: id, version, startedAt, nodeGrace }
  const registered = keepRegistered(store, self, { signal, log })
  const unreachable = { grace: nodeGrace * 1000, isConnected: (node: string) => links.isConnected(node) }
  const cleaning = janitor(store, { candidate: self, unreachable, signal, log })
  log.info({ id, listen: formatHostPort(listen), cluster: cluster.uid, etcd: store.urls, version }, 'ready')
  return {
    id,
    port,
    close: async () => {
      await Promise.all([server.close(), registered, cleaning])
    },
  }
}
