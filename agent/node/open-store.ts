/** How an agent connects to etcd. */
import { X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { identityOf } from '../../lib/pki/identity.ts'
import type { Tls } from '../../lib/tls.ts'
import { connect } from '../../store/connect.ts'
import { parseEtcdUrls } from '../../store/endpoints.ts'
import type { Store } from '../../store/store.ts'
import type { AgentOptions } from '../options.ts'
import type { StateDir } from './state-dir.ts'

/**
 * In a cluster that runs its own etcd members come and go: they are learned from
 * etcd, and remembered, so that a host that was told of one outlives it. An etcd
 * of somebody else is where he says it is.
 */
export function openStore(
  { etcd, prefix, etcdTls: tls }: Pick<AgentOptions, 'etcd' | 'prefix' | 'etcdTls'>,
  stateDir: Pick<StateDir, 'readMembers' | 'writeMembers'>,
  log: Logger,
): Store {
  if (!isManaged(tls)) return connect({ urls: etcd, prefix, tls, log })
  const onMembers = (urls: readonly string[]) => {
    try {
      stateDir.writeMembers(urls)
    } catch (error) {
      log.warn({ err: OverlayError.from(error) }, 'the members of etcd could not be remembered')
    }
  }
  const urls = [...new Set([...etcd, ...usable(stateDir.readMembers())])]
  return connect({ urls, prefix, tls, log, discover: true, onMembers })
}

/** Whether the cluster issued this certificate: only then has it an id. */
export function isManaged(tls: Tls | undefined): boolean {
  const cert = tls?.current().cert
  return cert !== undefined && identityOf(new X509Certificate(cert))?.id !== undefined
}

/** What another version may have written is no reason not to start. */
function usable(urls: readonly string[]): readonly string[] {
  return urls.filter((url) => {
    try {
      return parseEtcdUrls([url], true).length > 0
    } catch {
      return false
    }
  })
}
