/** The certificates of those who join. */
import { issueControlPlane, issueIdentity, newIdentityId } from '../../lib/pki/enrolment.ts'
import type { Role } from '../../lib/pki/identity.ts'
import type { Authority } from '../../lib/pki/issue.ts'
import type { ControlPlaneGrant, JoinRequest } from '../../proto/index.ts'
import type { Joining } from './join-request.ts'
import type { AuthorityParts } from './parts.ts'

/** An identity to be, with its certificate. */
export interface Holder {
  readonly id: string
  readonly role: Role
  readonly name: string
  /** PEM. */
  readonly certificate: string
}

export interface Certified {
  /** The id of the authority. */
  readonly signedBy: string
  /** As Joining.wanted has them. */
  readonly holders: readonly [Holder, ...Holder[]]
  /** Of a host of the control plane. */
  readonly controlPlane:
    | Pick<ControlPlaneGrant, 'controllerCertificate' | 'etcdServerCertificate' | 'etcdPeerCertificate'>
    | undefined
}

/** @throws OverlayError `invalid` when a request is none. */
export async function certify(
  { life }: Pick<AuthorityParts, 'life'>,
  { request }: Pick<JoinRequest, 'request'>,
  { wanted: [own], name, controlPlane }: Joining,
  { id: signedBy, authority }: { readonly id: string; readonly authority: Authority },
): Promise<Certified> {
  const identity = { ...own, id: newIdentityId() }
  const holder = { ...identity, certificate: await issueIdentity(authority, request, identity, { life }) }
  if (!controlPlane) return { signedBy, holders: [holder], controlPlane: undefined }
  const controller = { role: 'controller', name, id: newIdentityId() } as const
  const issued = await issueControlPlane(authority, controlPlane, controller, life)
  return {
    signedBy,
    holders: [holder, { ...controller, certificate: issued.controller }],
    controlPlane: {
      controllerCertificate: issued.controller,
      etcdServerCertificate: issued.etcdServer,
      etcdPeerCertificate: issued.etcdPeer,
    },
  }
}
