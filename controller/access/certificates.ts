/** Who has shown a certificate, as far as the certificate tells. */
import { X509Certificate } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import { OverlayError } from '../../lib/errors.ts'
import { authorityId } from '../../lib/pki/authorities.ts'
import { identityOf } from '../../lib/pki/identity.ts'
import type { Caller } from '../../lib/rpc-access.ts'

/** Certificates that are remembered; all have been issued by an authority that is trusted. */
const most = 10_000

export interface CertificateReader {
  /**
   * @param shown a certificate that was valid when its connection was made.
   * @throws OverlayError `unauthenticated` when it has expired since, is of an
   * authority that is trusted no more, or names nobody.
   */
  read(shown: PeerCertificate | undefined): Caller
  /** The authorities are others: all that was found is found anew. */
  forget(): void
}

interface Reading {
  readonly caller: Caller
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

/**
 * @param authorities PEM of those who issue the callers' certificates
 * themselves; undefined where others may stand between: then a certificate's
 * authority is judged when its connection is made, and not again.
 */
export function certificateReader(authorities: (() => Buffer | string) | undefined, now = Date.now): CertificateReader {
  const readings = new Map<string, Reading>()
  const read = (shown: PeerCertificate): Reading => {
    const certificate = new X509Certificate(shown.raw)
    const authority = authorities && issuerOf(certificate, certificatesIn(authorities()))
    if (authorities && authority === undefined) throw stranger()
    const identity = identityOf(certificate)
    if (identity) return { caller: { ...identity, authority }, notAfter: Date.parse(certificate.validTo) }
    throw new OverlayError(
      'unauthenticated',
      `the certificate shown (${certificate.subject.replaceAll('\n', ', ')}) is nobody's here: one that names who it is has the alternative name URI:overlay:ROLE:NAME, ROLE being node, viewer, admin or controller`,
    )
  }
  return {
    read(shown) {
      if (!shown?.raw) throw stranger()
      const known = readings.get(shown.fingerprint256)
      const { caller, notAfter } = known ?? read(shown)
      if (now() > notAfter) throw stranger()
      if (!known) {
        if (readings.size >= most) readings.clear()
        readings.set(shown.fingerprint256, { caller, notAfter })
      }
      return caller
    },
    forget: () => readings.clear(),
  }
}

function stranger(): OverlayError {
  return new OverlayError(
    'unauthenticated',
    "this controller asks for a certificate of its cluster: none was shown, or it has expired or is another authority's (see overlayctl cluster certs)",
  )
}

/** Those of a text, each as PEM. */
export function certificatesIn(text: Buffer | string): readonly string[] {
  return String(text).match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? []
}

/** The id of the one of the authorities (PEM) that has issued it. */
export function issuerOf(certificate: X509Certificate, authorities: readonly string[]): string | undefined {
  const issuer = authorities.find((pem) => {
    const authority = new X509Certificate(pem)
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  })
  return issuer && authorityId(issuer)
}
