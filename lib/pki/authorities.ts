/** Authorities as the store keeps them: made, with their keys sealed, and opened to sign. */
import { randomBytes, X509Certificate } from 'node:crypto'
import { type AuthoritySet, type Authority as Record, Authority as RecordType, type Trust } from '../../proto/index.ts'
import { OverlayError } from '../errors.ts'
import { fingerprintOf } from './identity.ts'
import { type Authority, createAuthority } from './issue.ts'
import { seal, unseal } from './sealing.ts'

/** Ten years, in milliseconds. */
export const authorityLife = 10 * 365 * 86_400_000

/** An authority's id: the first 16 digits of its certificate's fingerprint. */
export function authorityId(certificate: string): string {
  return fingerprintOf(new X509Certificate(certificate)).slice(0, 16)
}

/** A new authority: its key, to sign with, and its record. `now` is in milliseconds since the epoch. */
export async function newAuthority(
  sealingKey: Buffer,
  state: Record['state'],
  now: number,
): Promise<{ readonly authority: Authority; readonly record: Record }> {
  // Names differ, so that a chain is never built with the one that has only the same name.
  const authority = await createAuthority(`overlay-${randomBytes(4).toString('hex')}`, authorityLife)
  const { certificate, key } = authority
  const record = RecordType.create({
    id: authorityId(certificate),
    certificate,
    sealedKey: seal(sealingKey, key),
    state,
    since: new Date(now).toISOString(),
  })
  return { authority, record }
}

/** @throws OverlayError `failed_precondition` with another sealing key than the cluster's. */
export function openAuthority(sealingKey: Buffer, { certificate, sealedKey }: Record): Authority {
  return { certificate, key: unseal(sealingKey, sealedKey) }
}

/** The one that signs. @throws OverlayError `failed_precondition` */
export function activeAuthority({ authorities }: AuthoritySet): Record {
  const active = authorities.find(({ state }) => state === 'ACTIVE')
  if (!active) throw new OverlayError('failed_precondition', 'no authority of this cluster is active')
  return active
}

/** What everybody is told of them. */
export function trustOf(set: AuthoritySet): Trust {
  return { authorities: bundleOf(set), active: activeAuthority(set).id }
}

/** All that are to be trusted, as PEM; another text only when one has come or gone: etcd is restarted for it. */
export function bundleOf({ authorities }: AuthoritySet): string {
  return authorities.map(({ certificate }) => certificate).join('')
}
