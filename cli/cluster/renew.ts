/** Keeps the identity that overlayctl itself has: its certificate, and whom it trusts. */
import { createHash, X509Certificate } from 'node:crypto'
import { dirname } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import { renewalTime } from '../../lib/pki/due.ts'
import { fingerprintOf, type Identity, identityOf } from '../../lib/pki/identity.ts'
import { EnrolmentService } from '../../proto/index.ts'
import type { Context } from '../context.ts'

/** Milliseconds: a person who is waiting for the prompt does not wait longer for this. */
const patience = 5_000

export interface IdentityFiles {
  readonly identity: Identity
  readonly certificate: X509Certificate
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** PEM: what `ca` holds. */
  readonly bundle: string
}

/** Undefined when there are none, or not for this person. */
export function identityFiles({ globals, host }: Context): IdentityFiles | undefined {
  const { cert, key, ca } = globals.tls
  if (!cert || !key || !ca) return undefined
  try {
    const certificate = new X509Certificate(host.read(cert))
    const identity = identityOf(certificate)
    return identity && { identity, certificate, cert, key, ca, bundle: host.read(ca).toString('utf8') }
  } catch {
    return undefined
  }
}

/**
 * Asks for a certificate of a new key, puts both in the place of the old ones and
 * the authorities beside, and tells the cluster that these are trusted now.
 * @throws OverlayError; the former ones are good still.
 */
export async function renewIdentity(
  context: Context,
  { cert, key, ca }: IdentityFiles,
): Promise<{ readonly notAfter: string }> {
  const { controller, host } = context
  const { loadPki, newKey } = await import('./pki.ts')
  const wanted = await newKey(await loadPki())
  const options = { timeout: Math.min(patience, context.globals.timeout) }
  const answer = await controller.ask((client, call) =>
    client.service(EnrolmentService).renew({ request: wanted.request }, { ...call, ...options }),
  )
  if (!answer.certificate || !answer.authorities)
    throw new OverlayError('internal', 'the controller gave no certificate')
  await host.replaceFile(ca, answer.authorities, 0o644)
  await host.replacePair({ cert, key }, { cert: answer.certificate, key: wanted.key })
  controller.reload()
  const authorities = idsIn(answer.authorities)
  await controller.ask((client, call) =>
    client.service(EnrolmentService).confirm({ authorities: [...authorities] }, { ...call, ...options }),
  )
  return { notAfter: answer.identity?.notAfter || new X509Certificate(answer.certificate).validTo }
}

/**
 * After an answer of a controller: a person's certificate that is past two thirds
 * of its life is renewed, and so it is when the cluster's authorities are others
 * than those that are trusted here, or it waits for this identity in a change of
 * them. Quietly: the next command tries again.
 */
export async function keepIdentity(context: Context): Promise<void> {
  if (!context.heard.isAnswered || context.signals.interrupted.aborted) return
  const files = personFiles(context)
  if (files && isOutdated(context, files)) await renewQuietly(context, files)
}

/** An agent, or a controller, keeps its own identity itself, also where overlayctl uses it. */
function personFiles(context: Context): IdentityFiles | undefined {
  const files = identityFiles(context)
  if (files?.identity.role !== 'admin' && files?.identity.role !== 'viewer') return undefined
  const writable = [files.cert, files.key, files.ca, ...[files.cert, files.key, files.ca].map((path) => dirname(path))]
  return writable.every((path) => context.host.canWrite(path)) ? files : undefined
}

async function renewQuietly(context: Context, files: IdentityFiles): Promise<void> {
  await context.host.alone(`${files.cert}.lock`, () => renewIdentity(context, files)).catch(() => undefined)
}

/** The controller's answer tells the digest of the authorities, or `renew` (see controller/access/access.ts). */
function isOutdated({ heard, now }: Context, { certificate, bundle }: IdentityFiles): boolean {
  if (now().getTime() >= renewalTime(certificate)) return true
  return heard.authorities !== '' && heard.authorities !== createHash('sha256').update(bundle).digest('hex')
}

/** As the cluster calls them (see lib/pki/authorities.ts, which takes its time to load). */
function idsIn(bundle: string): readonly string[] {
  const each = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return each.map((pem) => fingerprintOf(new X509Certificate(pem)).slice(0, 16))
}
