/** An etcd of one member that asks for client certificates, and an authority that gives them. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { etcdCipherSuite } from '../lib/etcd-cipher.ts'
import { createLogger } from '../lib/log.ts'
import { commonName, identityUri, type Role } from '../lib/pki/identity.ts'
import { type Authority, createAuthority, createKey, createRequest, issueCertificate } from '../lib/pki/issue.ts'
import { readTls, type Tls } from '../lib/tls.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { randomLoopback, startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import type { Store } from './store.ts'

const life = 3_600_000

export interface TestIdentity {
  readonly id: string
  readonly role: Role
  readonly name: string
  /** In etcd. */
  readonly user: string
  readonly files: Readonly<Record<'cert' | 'key' | 'ca', string>>
  readonly tls: Tls
}

export interface SecureEtcd extends AsyncDisposable {
  readonly etcd: TestEtcd
  readonly identify: (role: Role, name: string) => Promise<TestIdentity>
  readonly open: (who: Pick<ConnectOptions, 'tls'>, options?: Partial<ConnectOptions>) => Store
  /** @returns what etcdctl says as this identity: its output, or its error. */
  readonly etcdctl: (who: TestIdentity, ...args: readonly string[]) => Promise<string>
}

export async function startSecureEtcd(): Promise<SecureEtcd> {
  const directory = await mkdtemp(join(tmpdir(), 'overlay-secure-'))
  const stores: Store[] = []
  const host = randomLoopback()
  const authority = await createAuthority('test', life)
  const ca = join(directory, 'ca.crt')
  await writeFile(ca, authority.certificate)
  const server = await issue(authority, join(directory, 'server'), { commonName: 'etcd-server', hosts: [host] })
  const flags = [
    `--cert-file=${server.cert}`,
    `--key-file=${server.key}`,
    `--trusted-ca-file=${ca}`,
    `--cipher-suites=${etcdCipherSuite}`,
    '--client-cert-auth',
  ]
  const etcd = await startEtcd({ host, scheme: 'https', flags })
  return {
    etcd,
    async identify(role, name) {
      const id = randomBytes(8).toString('hex')
      const user = commonName({ role, name, id })
      const pair = await issue(authority, join(directory, user), { commonName: user, uri: identityUri({ role, name }) })
      const files = { ...pair, ca }
      const tls = readTls(files)
      if (!tls) throw new Error('no TLS files')
      return { id, role, name, user, files, tls }
    },
    open({ tls }, options) {
      const store = connect({ urls: [etcd.url], tls, log: createLogger('test', 'silent'), ...options })
      stores.push(store)
      return store
    },
    async etcdctl({ files }, ...args) {
      const access = ['--endpoints', etcd.url, '--cert', files.cert, '--key', files.key, '--cacert', files.ca]
      const { stdout, stderr } = await execa('etcdctl', [...access, ...args], {
        reject: false,
        env: { ETCDCTL_API: '3' },
      })
      return `${stdout}${stderr}`
    },
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close()
      await etcd.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function issue(
  authority: Authority,
  path: string,
  fields: { readonly commonName: string; readonly hosts?: readonly string[]; readonly uri?: string },
) {
  const pair = await createKey()
  const certificate = await issueCertificate(authority, await createRequest(pair), { ...fields, life })
  const files = { cert: `${path}.crt`, key: `${path}.key` }
  await Promise.all([writeFile(files.cert, certificate), writeFile(files.key, pair.key, { mode: 0o600 })])
  return files
}
