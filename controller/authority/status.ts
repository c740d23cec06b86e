/** The cluster's authorities and identities at a glance, and what is not as it should be with them. */
import { X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { fingerprintOf } from '../../lib/pki/identity.ts'
import { type Authority, type AuthoritySet, AuthorityStatus, type Identity, SecurityStatus } from '../../proto/index.ts'
import { memberProblems } from '../control-plane/members.ts'
import type { AuthorityParts } from './parts.ts'
import { look } from './rotate.ts'

/** Milliseconds: an authority that ends within a year is to be changed. */
const soon = 365 * 86_400_000
/** The share of a certificate's life after which somebody should have renewed it: that is done before three quarters. */
const overdueAfter = 5 / 6
/** Problems of one kind that are told one by one. */
const mostTold = 20

/** @throws OverlayError `unavailable` */
export async function securityStatus(parts: AuthorityParts): Promise<SecurityStatus> {
  const { access, now } = parts
  const [{ authorities, identities, step }, members, ofAccess] = await Promise.all([
    look(parts),
    parts.members(),
    // What cannot be looked at is a problem as well.
    access
      ?.check()
      .catch((error: unknown) => [`etcd's users cannot be looked at: ${OverlayError.from(error).message}`]),
  ])
  const set = authorities.value
  return SecurityStatus.create({
    authorities: set.authorities.map((authority) => describe(authority, identities)),
    identities: identities.toSorted((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name)),
    waitingFor: step ? waiting(step.waitingFor.map(({ line }) => line)) : [],
    problems: [
      ...authorityProblems(set, now()),
      ...identityProblems(set, identities, now()),
      ...(access ? memberProblems(members) : []),
      ...(ofAccess ?? []),
    ],
    members: [...members],
    externalEtcd: access === undefined,
  })
}

function waiting(lines: readonly string[]): string[] {
  return lines.length > 0 ? [...lines] : ['the controller that leads takes the next step']
}

function describe({ id, state, certificate: pem }: Authority, identities: readonly Identity[]): AuthorityStatus {
  const certificate = new X509Certificate(pem)
  return AuthorityStatus.create({
    id,
    state,
    fingerprint: fingerprintOf(certificate),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    certificates: identities.filter(({ authority }) => authority === id).length,
  })
}

/** `now` is in milliseconds since the epoch, as below. */
export function authorityProblems({ authorities }: AuthoritySet, now: number): string[] {
  return authorities.flatMap(({ id, state, certificate }) => {
    const end = Date.parse(new X509Certificate(certificate).validTo)
    if (state !== 'ACTIVE' || end > now + soon) return []
    return [`authority ${id} expires at ${new Date(end).toISOString()}: change it ("overlayctl cluster certs rotate")`]
  })
}

export function identityProblems(
  { authorities }: AuthoritySet,
  identities: readonly Identity[],
  now: number,
): string[] {
  const active = authorities.find(({ state }) => state === 'ACTIVE')?.id ?? ''
  const problems = identities.flatMap((identity) => identityProblem(identity, active, now) ?? [])
  const more = problems.length - mostTold
  return more > 0 ? [...problems.slice(0, mostTold), `and ${more} more identities`] : problems
}

function identityProblem(identity: Identity, active: string, now: number): string | undefined {
  const { role, name, issuedAt, notAfter, trusts } = identity
  const [start, end] = [Date.parse(issuedAt), Date.parse(notAfter)]
  const who = `${role} ${name}`
  const isHost = role === 'node' || role === 'controller'
  if (now >= end)
    return isHost ? `the certificate of ${who} has expired at ${notAfter}: join it again with a token` : undefined
  if (!trusts.includes(active))
    return `${who} does not know the authority that is active now, and so trusts no controller: ${isHost ? 'join it again with a token' : 'let it in again ("overlayctl cluster login")'}`
  if (now < start + (end - start) * overdueAfter) return undefined
  const remedy = isHost
    ? `see that its ${role === 'node' ? 'agent' : 'controller'} runs`
    : 'any command with it renews it'
  return `the certificate of ${who} expires at ${notAfter}, and was not renewed: ${remedy}`
}
