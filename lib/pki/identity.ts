/** Who a certificate says that its holder is. */
import { X509Certificate } from 'node:crypto'
import { isName } from '../names.ts'

export const roles = ['node', 'viewer', 'admin', 'controller'] as const
/**
 * `node`: an agent; reads, and writes only as itself. `viewer`: a person or
 * script; reads. `admin`: everything that overlayctl can do. `controller`: a
 * controller; whatever the others may, and the store's root.
 */
export type Role = (typeof roles)[number]

export interface Identity {
  readonly role: Role
  /** Of a node, its name in the cluster; of a controller, its host's; else that of a person or script. */
  readonly name: string
  /**
   * Which enrolment it comes from, 16 hexadecimal digits: the same after each
   * renewal, another one when the name is enrolled anew. Undefined of a
   * certificate that no controller has issued (an authority of the operator's own).
   */
  readonly id: string | undefined
}

/**
 * The common name of a certificate; also the name of its user in etcd, which
 * goes by nothing else. A removed node's certificate stays worthless when its
 * name is enrolled again, because the id is another.
 */
export function commonName({ role, id }: Identity & { readonly id: string }): string {
  return `${role}-${id}`
}

/** As the URI among a certificate's subject alternative names: `overlay:node:host1`. */
export function identityUri({ role, name }: Pick<Identity, 'role' | 'name'>): string {
  return `overlay:${role}:${name}`
}

/**
 * The identity in a certificate, which the caller has verified; undefined when
 * it names none, or more than one.
 */
export function identityOf(certificate: X509Certificate): Identity | undefined {
  const [uri, ...more] = overlayUris(certificate.subjectAltName ?? '')
  const role = roles.find((known) => known === uri?.role)
  if (!uri || !role || more.length > 0 || !isName(uri.name)) return undefined
  const common = [...certificate.subject.matchAll(/^CN=(.*)$/gm)].map(([, name = '']) => name)
  const id = common.length === 1 ? new RegExp(`^${role}-([0-9a-f]{16})$`).exec(common[0] ?? '')?.[1] : undefined
  return { role, name: uri.name, id }
}

/**
 * Out of what Node makes of the alternative names: `DNS:a, URI:b`, each value in
 * double quotes, as JSON, that has a comma or the like in it. Such a one is none
 * of ours, and what looks like a name inside of it is none.
 */
function overlayUris(names: string): { role: string; name: string }[] {
  return [...names.matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy)].flatMap(([, kind, value = '']) => {
    const [, role, name] = /^overlay:([a-z]+):(.+)$/.exec(value) ?? []
    return kind === 'URI' && role && name ? [{ role, name }] : []
  })
}

/** SHA-256 of the certificate itself (DER), as 64 hexadecimal digits. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}
