/** What an enrolment makes: an identity's record, and the certificates of a host of the control plane. */
import { randomBytes, X509Certificate } from 'node:crypto'
import { type ControlPlaneRequests, type Identity, Identity as IdentityType } from '../../proto/index.ts'
import { commonName, identityUri, type Role } from './identity.ts'
import { type Authority, issueCertificate } from './issue.ts'

/** Common names of etcd's own certificates; only who has the second may speak to etcd as a member. */
export const etcdServerName = 'etcd-server'
export const etcdPeerName = 'etcd-peer'

/** An id that no enrolment has had before. */
export function newIdentityId(): string {
  return randomBytes(8).toString('hex')
}

export interface Enrolled {
  readonly id: string
  readonly role: Role
  readonly name: string
  /** PEM; the first in it is the identity's. */
  readonly certificate: string
  /** The id of the authority that has signed it, which the identity trusts. */
  readonly authority: string
  /** Ids of all authorities that the identity was told to trust; default: that one. */
  readonly trusts?: readonly string[]
  /** A token's id, or `init`. */
  readonly origin: string
}

/** The record of an identity that has just got its first certificate. `now` is in milliseconds since the epoch. */
export function enrolledIdentity(enrolled: Enrolled, now: number): Identity {
  const { certificate, authority, trusts = [authority], ...rest } = enrolled
  const at = new Date(now).toISOString()
  return IdentityType.create({ ...rest, createdAt: at, ...issued(certificate, now), authority, trusts: [...trusts] })
}

/** What a new certificate changes in its identity's record at once. */
export function issued(certificate: string, now: number) {
  const notAfter = new Date(new X509Certificate(certificate).validTo).toISOString()
  return { issuedAt: new Date(now).toISOString(), notAfter }
}

/** The certificate of an identity. `hosts`: where it serves, of a controller. `life` is in milliseconds. */
export function issueIdentity(
  authority: Authority,
  request: string,
  identity: { readonly id: string; readonly role: Role; readonly name: string },
  { hosts = [], life }: { readonly hosts?: readonly string[]; readonly life: number },
): Promise<string> {
  return issueCertificate(authority, request, {
    commonName: commonName(identity),
    uri: identityUri(identity),
    hosts,
    life,
  })
}

export function issueEtcdServer(authority: Authority, request: string, hosts: readonly string[], life: number) {
  return issueCertificate(authority, request, { commonName: etcdServerName, hosts, life })
}

export function issueEtcdPeer(authority: Authority, request: string, hosts: readonly string[], life: number) {
  return issueCertificate(authority, request, { commonName: etcdPeerName, hosts, life })
}

/** Where the programs of a control-plane host are dialled: as `host` by others, and from the host itself. */
export function serverHosts(host: string, hostname: string): readonly string[] {
  return [...new Set([host, hostname, 'localhost', '127.0.0.1', '::1'])].filter((each) => each !== '')
}

export interface ControlPlaneCertificates {
  readonly controller: string
  readonly etcdServer: string
  readonly etcdPeer: string
}

/**
 * The three certificates of a host of the control plane. `life` is in milliseconds.
 * @throws OverlayError `invalid` when a request is none.
 */
export async function issueControlPlane(
  authority: Authority,
  requests: ControlPlaneRequests,
  identity: { readonly id: string; readonly name: string },
  life: number,
): Promise<ControlPlaneCertificates> {
  const hosts = serverHosts(requests.host, identity.name)
  const [controller, etcdServer, etcdPeer] = await Promise.all([
    issueIdentity(authority, requests.controllerRequest, { ...identity, role: 'controller' }, { hosts, life }),
    issueEtcdServer(authority, requests.etcdServerRequest, hosts, life),
    issueEtcdPeer(authority, requests.etcdPeerRequest, [requests.host], life),
  ])
  return { controller, etcdServer, etcdPeer }
}
