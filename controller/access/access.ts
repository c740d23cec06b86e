/** Whether a call to this controller is let in: by the table of rules, and by who calls. */
import { createHash, X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { authorityId } from '../../lib/pki/authorities.ts'
import type { Identity } from '../../lib/pki/identity.ts'
import type { Access } from '../../lib/rpc-access.ts'
import type { Tls } from '../../lib/tls.ts'
import { certificateReader, certificatesIn, issuerOf } from './certificates.ts'
import type { Identities } from './identities.ts'
import { type Rule, rules } from './rules.ts'

export interface AccessOptions {
  /** What callers' certificates are verified with. */
  readonly tls: Pick<Tls, 'current' | 'onChange'>
  /**
   * Of a cluster that issues its certificates itself: who is not among them has
   * no access. Undefined: an operator's own authority issues them, and what a
   * certificate says is so until it expires.
   */
  readonly identities: Identities | undefined
}

export function controllerAccess({ tls, identities }: AccessOptions): Access {
  const certificates = certificateReader(identities && (() => tls.current().ca))
  let authorities = identities && authoritiesOf(tls)
  tls.onChange(() => {
    certificates.forget()
    authorities = identities && authoritiesOf(tls)
  })
  return {
    told(caller) {
      const record = caller && identities?.recordOf(caller)
      if (!record || !authorities) return {}
      const { ids, active, digest } = authorities
      const isUpToDate = record.authority === active && ids.every((id) => record.trusts.includes(id))
      return { 'overlay-authorities': isUpToDate ? digest : 'renew' }
    },
    async admit(method, certificate) {
      const rule = rules.get(method)
      if (!rule) throw new OverlayError('permission_denied', `${method} is for nobody to call: it has no rule`)
      if (rule.strangers) return { caller: undefined }
      const caller = certificates.read(certificate)
      const revoked = await identities?.current(caller)
      const check = ruleFor(rule, caller)
      return { caller, revoked, check }
    },
  }
}

/** Who is trusted, and who signs: as this controller has its own certificate renewed first of all. */
function authoritiesOf(tls: Pick<Tls, 'current'>) {
  const { ca, cert } = tls.current()
  const each = certificatesIn(ca)
  return {
    ids: each.map(authorityId),
    active: cert && issuerOf(new X509Certificate(cert), each),
    digest: createHash('sha256').update(ca).digest('hex'),
  }
}

/** @returns how to look at the request, if that is needed. @throws OverlayError `permission_denied` */
function ruleFor(rule: Rule, caller: Identity): ((request: unknown) => void) | undefined {
  if (caller.role === 'controller' || rule.roles.includes(caller.role)) return undefined
  const { ownNode } = rule
  if (!ownNode || caller.role !== 'node')
    throw new OverlayError('permission_denied', `${wants(rule, caller)}: ${wayOut(rule)}`)
  return (request) => {
    if (ownNode(request as never) === caller.name) return
    throw new OverlayError(
      'permission_denied',
      `${wants(rule, caller)}, which may do that to itself only, and by its name: name node ${caller.name}, or ${wayOut(rule)}`,
    )
  }
}

function wants({ does, roles }: Rule, { role, name }: Identity): string {
  const wanted = roles.length > 0 ? roles.join(' or ') : 'controller'
  return `${does} needs the role ${wanted}; this is ${role} ${name}`
}

function wayOut({ roles }: Rule): string {
  return roles.includes('admin')
    ? 'ask an admin to do it, or for a certificate of your own (overlayctl cluster token create --role admin)'
    : 'only the programs of the cluster call it'
}
