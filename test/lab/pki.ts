/** An authority and certificates of it, as a cluster has them: also expired ones, and another's. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commonName, identityUri, type Role } from '../../lib/pki/identity.ts'
import { type Authority, createAuthority, createKey, createRequest, issueCertificate } from '../../lib/pki/issue.ts'

const day = 24 * 3600_000

export interface Bearer {
  readonly role: Role
  readonly name: string
  /** 16 hexadecimal digits; default: random ones. */
  readonly id?: string
  /** Host names and addresses that it serves at. */
  readonly hosts?: readonly string[]
  /** Milliseconds from now; below 0: it has expired. Default: a day. */
  readonly life?: number
}

/** Paths of PEM files, as readTls takes them. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** Of the identity. */
  readonly id: string
}

export interface TestPki {
  readonly authority: Authority
  /** The authority's certificate. */
  readonly ca: string
  /** Makes a certificate in files of that name, in place of what is there. */
  issue(file: string, bearer: Bearer): Promise<CertificateFiles>
  /** The same for whoever has no identity: what is served to others, or names nobody. */
  issueNamed(file: string, commonName: string, hosts?: readonly string[]): Promise<Omit<CertificateFiles, 'id'>>
}

/** Writes into the directory, which is made. */
export async function createPki(directory: string, name = 'overlay test'): Promise<TestPki> {
  mkdirSync(directory, { recursive: true })
  const authority = await createAuthority(name, 30 * day)
  const write = (file: string, text: string) => {
    const path = join(directory, file)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const ca = write('ca.crt', authority.certificate)
  const make = async (file: string, fields: Parameters<typeof issueCertificate>[2]) => {
    const pair = await createKey()
    const certificate = await issueCertificate(authority, await createRequest(pair), fields)
    return { cert: write(`${file}.crt`, certificate), key: write(`${file}.key`, pair.key), ca }
  }
  return {
    authority,
    ca,
    async issue(file, { role, name, id = randomBytes(8).toString('hex'), hosts, life = day }) {
      const fields = { commonName: commonName({ role, name, id }), uri: identityUri({ role, name }), life }
      return { ...(await make(file, { ...fields, ...(hosts && { hosts }) })), id }
    },
    issueNamed: (file, name, hosts = []) => make(file, { commonName: name, hosts, life: day }),
  }
}
