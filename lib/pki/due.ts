/** When a certificate of the cluster's own authorities is to be renewed. */
import type { X509Certificate } from 'node:crypto'

/** Certificates are valid so many milliseconds before they are made: clocks differ. */
export const backdated = 5 * 60_000

/** Shares of a certificate's life, between which it is renewed. */
const earliest = 2 / 3
const latest = 3 / 4

/**
 * Milliseconds since the epoch: between two thirds and three quarters of its
 * life, another point for each certificate, so that a thousand hosts do not
 * come at once, and always the same for one, however often it is asked.
 */
export function renewalTime(certificate: X509Certificate): number {
  const { start, end } = lifeOf(certificate)
  const spread = Number.parseInt(certificate.fingerprint256.replaceAll(':', '').slice(0, 8), 16) / 2 ** 32
  return start + (end - start) * (earliest + (latest - earliest) * spread)
}

/** From when it was made until it ends, in milliseconds since the epoch. */
export function lifeOf({ validFrom, validTo }: Pick<X509Certificate, 'validFrom' | 'validTo'>) {
  return { start: Date.parse(validFrom) + backdated, end: Date.parse(validTo) }
}
