/** Certificates from an authority of the operator's own, as where nobody ran `overlayctl cluster init`. */
import { identityUri, type Role } from '../../../lib/pki/identity.ts'
import { type Authority, createAuthority, createKey, createRequest, issueCertificate } from '../../../lib/pki/issue.ts'
import type { Machine } from '../machine.ts'

/** Milliseconds. */
const life = 24 * 3_600_000

/** Where they are on a machine; what is below /var/lib/overlay outlives a boot. */
const directory = '/var/lib/overlay/tls'

/** As flags and environment variables take them. */
export interface TlsPaths {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

export interface Subject {
  /** Of the files, and the common name. */
  readonly name: string
  /** What overlay's programs may do with it; none for etcd. */
  readonly identity?: { readonly role: Role; readonly name: string }
  /** It serves: at the machine's address and on its loopback. */
  readonly serves?: boolean
}

export const createOwnAuthority = (): Promise<Authority> => createAuthority('the operator', life)

/** Makes a certificate and puts it onto the machine, for root to read. */
export async function equip(machine: Machine, authority: Authority, subject: Subject): Promise<TlsPaths> {
  const { name, identity, serves = false } = subject
  const pair = await createKey()
  const certificate = await issueCertificate(authority, await createRequest(pair), {
    commonName: name,
    hosts: serves ? [machine.address, '127.0.0.1'] : [],
    ...(identity && { uri: identityUri(identity) }),
    life,
  })
  const paths = pathsOf(name)
  await machine.exec(`mkdir -p -m 700 ${directory}`)
  await machine.exec(`umask 077; cat > ${paths.ca}`, { input: authority.certificate })
  await machine.exec(`umask 077; cat > ${paths.cert}`, { input: certificate })
  await machine.exec(`umask 077; cat > ${paths.key}`, { input: pair.key })
  return paths
}

export const pathsOf = (name: string): TlsPaths => ({
  cert: `${directory}/${name}.crt`,
  key: `${directory}/${name}.key`,
  ca: `${directory}/ca.crt`,
})
