/** The certificate authority that each controller of a managed cluster is. */
import { X509Certificate } from 'node:crypto'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { identityOf } from '../../lib/pki/identity.ts'
import { retry } from '../../lib/retry.ts'
import type { Handlers } from '../../lib/rpc-server.ts'
import type { Tls } from '../../lib/tls.ts'
import {
  AuthoritySet,
  type Controller,
  type EnrolmentService,
  type Identity,
  type Init,
  type SecurityService,
  type TokensService,
} from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { SealingKey } from '../managed-options.ts'
import { type RangeView, viewRange } from '../range-view.ts'
import { ensureAuthorities } from './first.ts'
import { joiner } from './join.ts'
import { leadAuthority } from './leader.ts'
import { keepCertificates, keepTrust } from './own-loops.ts'
import type { AuthorityParts, StoreAccess } from './parts.ts'
import { confirm, renew } from './renew.ts'
import { revoke, withdraw } from './revoke.ts'
import { rotate } from './rotate.ts'
import { securityStatus } from './status.ts'
import { createJoinToken, listTokens, removeToken } from './tokens.ts'

export interface AuthorityOptions {
  readonly store: Store
  readonly sealing: SealingKey
  /** Of the certificates that it issues, in seconds. */
  readonly certificateLife: number
  /** This controller's own. */
  readonly tls: Tls
  /** Where the files of this host's etcd are; undefined: somebody else runs etcd. */
  readonly etcdTls: string | undefined
  /** This controller, for elections. */
  readonly candidate: Init<Controller>
  /** Etcd's users, as the identity of that id changes them. Not asked where somebody else runs etcd. */
  readonly accessAs: (id: string) => StoreAccess
  readonly members: AuthorityParts['members']
  readonly removeMember: AuthorityParts['removeMember']
  /** As the store has them, which is followed for all. */
  readonly identities: RangeView<Identity>
  /** Milliseconds since the epoch; default: the host's clock. */
  readonly now?: () => number
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface ClusterAuthority {
  readonly enrolment: Handlers<typeof EnrolmentService>
  readonly tokens: Handlers<typeof TokensService>
  readonly security: Handlers<typeof SecurityService>
  readonly externalEtcd: boolean
  /** Takes revoked identities out of etcd's users. */
  readonly withdraw: (identities: readonly Identity[]) => Promise<void>
  /** Once its loops have ended, after the signal. */
  readonly ended: Promise<void>
}

/**
 * Waits for the store, as long as it takes.
 * @throws OverlayError `failed_precondition` when the sealing key, the
 * certificate or the store are of different clusters, or there is no authority.
 */
export async function startAuthority(options: AuthorityOptions): Promise<ClusterAuthority> {
  const {
    store,
    sealing,
    certificateLife,
    tls,
    etcdTls,
    members,
    removeMember,
    identities,
    now = Date.now,
    signal,
    log,
  } = options
  const self = ownIdentity(tls)
  await retry(() => prepare(options, self), {
    signal,
    worthwhile: (error) => !hasCode(error, 'failed_precondition'),
    onRetry: (error) => log.warn({ err: OverlayError.from(error) }, 'waiting for the authorities in the store'),
  })
  const access = etcdTls === undefined ? undefined : options.accessAs(self.id)
  const parts: AuthorityParts = {
    store,
    sealing,
    life: certificateLife * 1000,
    now,
    log,
    self,
    access,
    members,
    removeMember,
  }
  // A range of that one key.
  const authorities = viewRange(store, { prefix: store.keys.authorities.path, type: AuthoritySet }, signal, log)
  const onAuthorities = (listener: () => void) => authorities.onDifference(listener)
  const files = { tls, etcd: etcdTls }
  const loops = { files, candidate: options.candidate, onAuthorities, signal }
  const ended = Promise.all([
    keepCertificates(parts, loops),
    keepTrust(parts, loops),
    leadAuthority(parts, { candidate: options.candidate, identities, onAuthorities, signal }),
  ])
  return {
    ...handlers(parts),
    externalEtcd: access === undefined,
    withdraw: (revoked) => withdraw(access, revoked, log),
    ended: ended.then(() => undefined),
  }
}

function handlers(parts: AuthorityParts) {
  const { store, now } = parts
  const join = joiner({ ...parts, etcdUrls: () => dialledUrls(parts) })
  return {
    enrolment: {
      join: (request, context) => join(request, context),
      renew: (request, { caller }) => renew(parts, caller, request),
      confirm: (request, { caller }) => confirm(store, caller, request),
    },
    tokens: {
      create: (request, { caller }) => createJoinToken(store, request, caller, now()),
      list: () => listTokens(store),
      remove: (request) => removeToken(store, request),
    },
    security: {
      get: () => securityStatus(parts),
      rotateAuthority: async (request) => {
        await rotate(parts, request)
        return securityStatus(parts)
      },
      revoke: (request, { caller }) => revoke(parts, request, caller),
    },
  } satisfies Pick<ClusterAuthority, 'enrolment' | 'tokens' | 'security'>
}

async function prepare({ store, sealing, log }: AuthorityOptions, { id }: { readonly id: string }): Promise<void> {
  await ensureAuthorities(store, sealing, log)
  if (await store.get(store.keys.identity(id))) return
  throw new OverlayError(
    'failed_precondition',
    `the identity ${id} of this controller's certificate is not in the store: it was revoked, or the certificate is of another cluster; let the host join again`,
  )
}

/** @throws OverlayError `failed_precondition` */
function ownIdentity(tls: Tls): AuthorityParts['self'] {
  const identity = identityOf(new X509Certificate(tls.current().cert ?? ''))
  if (identity?.role === 'controller' && identity.id !== undefined) return { id: identity.id, name: identity.name }
  throw new OverlayError(
    'failed_precondition',
    `${tls.files.cert} is no certificate of a controller of a cluster with its own authority: leave out --sealing-key, or let the host join ("overlayctl cluster join --control-plane")`,
  )
}

/** Of somebody else's etcd those that we use ourselves; of ours those of all members that have a vote. */
async function dialledUrls({ store, access, members }: AuthorityParts): Promise<readonly string[]> {
  if (!access) return store.urls
  const voting = (await members()).filter(({ learner, clientUrl }) => !learner && clientUrl !== '')
  return voting.length > 0 ? voting.map(({ clientUrl }) => clientUrl) : store.urls
}
