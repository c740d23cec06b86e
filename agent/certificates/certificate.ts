/** What this node's certificate says, and when it is to be renewed. Pure. All times are milliseconds since the epoch. */
import { X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { lifeOf, renewalTime } from '../../lib/pki/due.ts'
import { fingerprintOf, type Identity, identityOf } from '../../lib/pki/identity.ts'

export interface TrustedAuthority {
  /** See Authority in records.proto. */
  readonly id: string
  readonly certificate: X509Certificate
}

export interface OwnCertificate {
  readonly identity: Identity | undefined
  /** The id of the authority that has signed it; undefined when it is none of those that are trusted. */
  readonly authority: string | undefined
  readonly madeAt: number
  /** Sooner when another authority signs now. */
  readonly renewAt: number
  readonly notAfter: number
}

const certificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Authorities of a bundle in PEM.
 * @throws OverlayError `invalid` when it has none, or something else too.
 */
export function readAuthorities(bundle: string): readonly TrustedAuthority[] {
  try {
    const found = (bundle.match(certificates) ?? []).map((text) => new X509Certificate(text))
    if (found.length > 0 && found.every(({ ca }) => ca))
      return found.map((certificate) => ({ id: fingerprintOf(certificate).slice(0, 16), certificate }))
  } catch (error) {
    throw new OverlayError('invalid', `this is no bundle of authorities: ${(error as Error).message}`, { cause: error })
  }
  throw new OverlayError('invalid', 'this is no bundle of authorities: it has none, or a certificate that is not one')
}

export function readCertificate(pem: string | Buffer, authorities: readonly TrustedAuthority[]): OwnCertificate {
  const certificate = new X509Certificate(pem)
  const { start, end } = lifeOf(certificate)
  return {
    identity: identityOf(certificate),
    authority: authorities.find(({ certificate: { publicKey } }) => certificate.verify(publicKey))?.id,
    madeAt: start,
    renewAt: renewalTime(certificate),
    notAfter: end,
  }
}

/** Whether so little of its life is left that somebody has to look after it. */
export function isEnding({ madeAt, notAfter }: OwnCertificate, now: number): boolean {
  return notAfter - now < (notAfter - madeAt) / 6
}
