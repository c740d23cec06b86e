/** The certificates in files of this host, as far as this person may read them. */
import { X509Certificate } from 'node:crypto'
import { paths } from '../../lib/paths.ts'
import type { Context } from '../context.ts'
import type { CertificateRow } from '../views/security.ts'

const files = [
  `${paths.agentTls}/tls.crt`,
  `${paths.controllerTls}/tls.crt`,
  `${paths.etcdTls}/server.crt`,
  `${paths.etcdTls}/peer.crt`,
  `${paths.adminTls}/tls.crt`,
] as const

export function fileRows({ host, globals, now }: Context): readonly CertificateRow[] {
  const all = new Set([...files, ...(globals.tls.cert ? [globals.tls.cert] : [])])
  return [...all].flatMap((path) => {
    try {
      const { validTo, subject, issuer } = new X509Certificate(host.read(path))
      const end = Date.parse(validTo)
      return {
        holder: path,
        id: nameOf(subject).replace(/^[a-z]+-(?=[0-9a-f]{16}$)/, ''),
        notAfter: new Date(end).toISOString(),
        authority: nameOf(issuer),
        problem: end < now().getTime() ? 'expired' : '',
      }
    } catch {
      return []
    }
  })
}

function nameOf(subject: string): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? ''
}
