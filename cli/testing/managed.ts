/** For specs: a controller of a managed cluster, which lets hosts in with certificates that are real. */
import { randomBytes, X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { activeAuthority, newAuthority, openAuthority } from '../../lib/pki/authorities.ts'
import { enrolledIdentity, issueControlPlane, issueIdentity, newIdentityId } from '../../lib/pki/enrolment.ts'
import { parseFirstAuthority } from '../../lib/pki/first-authority.ts'
import { fingerprintOf, type Role } from '../../lib/pki/identity.ts'
import { type Authority, createKey, createRequest } from '../../lib/pki/issue.ts'
import { createSealingKey } from '../../lib/pki/sealing.ts'
import { createToken, formatToken, parseToken } from '../../lib/pki/token.ts'
import type { Tls, TlsMaterial } from '../../lib/tls.ts'
import type { JoinRequest, JoinResponse } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from './cluster.ts'
import { token as tokenRecord } from './security.ts'

const day = 86_400_000

export interface ManagedCluster extends FakeCluster {
  /** Good for whatever is asked with it. */
  readonly token: string
  readonly sealingKey: Buffer
  /** From now on it is the cluster of this first authority: what `cluster init` hands to its controller. */
  adopt(firstAuthority: string, sealingKey: Buffer): Promise<void>
}

export interface ManagedOptions extends Answers {
  readonly role?: Role
  /** What the controller's certificate is for. */
  readonly hosts?: readonly string[]
  /** The token is for hosts of the control plane. */
  readonly forControlPlane?: boolean
}

export async function startManagedCluster(options: ManagedOptions = {}): Promise<ManagedCluster> {
  const { role = 'node', hosts = ['127.0.0.1', 'localhost'], forControlPlane = false, ...answers } = options
  const sealingKey = createSealingKey()
  let { authority } = await newAuthority(sealingKey, 'ACTIVE', Date.now())
  const serving = await servingTls(authority, hosts)
  const fingerprint = () => fingerprintOf(new X509Certificate(authority.certificate))
  let token = createToken(fingerprint())
  const join = async (request: JoinRequest): Promise<JoinResponse> => {
    if (parseToken(request.token).secret !== token.secret)
      throw new OverlayError('unauthenticated', 'the token is unknown, expired or used up')
    return answer(authority, request, role, forControlPlane ? sealingKey : undefined)
  }
  const cluster = await startFakeCluster({
    ...answers,
    tls: serving,
    enrolment: { join, ...answers.enrolment },
    tokens: {
      create: async () => ({
        token: formatToken(token),
        record: { ...tokenRecord, usesLeft: 100 },
        controllers: ['192.0.2.10:4780'],
      }),
      ...answers.tokens,
    },
  })
  return {
    ...cluster,
    token: formatToken(token),
    sealingKey,
    async adopt(text, key) {
      authority = openAuthority(key, activeAuthority(parseFirstAuthority(text).authorities))
      token = createToken(fingerprint())
      await serving.replace(authority)
    },
  }
}

async function answer(
  authority: Authority,
  { name, request, controlPlane }: JoinRequest,
  role: Role,
  sealingKey: Buffer | undefined,
): Promise<JoinResponse> {
  const id = newIdentityId()
  const certificate = await issueIdentity(authority, request, { id, role, name }, { life: day })
  const identity = enrolledIdentity({ id, role, name, certificate, authority: 'a', origin: 't' }, Date.now())
  const granted =
    sealingKey && controlPlane && (await issueControlPlane(authority, controlPlane, { id: newIdentityId(), name }, day))
  return {
    identity,
    certificate,
    authorities: authority.certificate,
    clusterUid: 'c0ffee',
    etcdUrls: ['https://192.0.2.1:2379'],
    controllers: ['192.0.2.1:4780'],
    prefix: '/overlay/v1/',
    controlPlane: granted
      ? {
          identity,
          controllerCertificate: granted.controller,
          etcdServerCertificate: granted.etcdServer,
          etcdPeerCertificate: granted.etcdPeer,
          sealingKey: sealingKey ?? randomBytes(32),
          externalEtcd: false,
        }
      : null,
  }
}

async function servingTls(
  first: Authority,
  hosts: readonly string[],
): Promise<Tls & { replace(authority: Authority): Promise<void> }> {
  const listeners = new Set<() => void>()
  let material = await materialOf(first, hosts)
  return {
    files: {},
    current: () => material,
    reload: () => false,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async replace(authority) {
      material = await materialOf(authority, hosts)
      for (const listener of listeners) listener()
    },
  }
}

async function materialOf(authority: Authority, hosts: readonly string[]): Promise<TlsMaterial> {
  const pair = await createKey()
  const identity = { id: newIdentityId(), role: 'controller', name: 'host1' } as const
  const cert = await issueIdentity(authority, await createRequest(pair), identity, { hosts, life: day })
  return { ca: Buffer.from(authority.certificate), cert: Buffer.from(cert), key: Buffer.from(pair.key) }
}
