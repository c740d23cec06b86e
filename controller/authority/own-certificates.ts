/**
 * The certificates on this host of the control plane: the controller's own, and
 * its etcd's as server and as member. Their keys stay as long as the host is
 * enrolled: who could read one reads the sealing key beside it too, and so each
 * file can be replaced by itself; a reader never pairs an old one with a new one.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import { bundleOf } from '../../lib/pki/authorities.ts'
import { lifeOf, renewalTime } from '../../lib/pki/due.ts'
import { issueEtcdPeer, issueEtcdServer, issueIdentity } from '../../lib/pki/enrolment.ts'
import { type Authority, createRequest } from '../../lib/pki/issue.ts'
import { replaceFile } from '../../lib/pki/replace-files.ts'
import type { Tls } from '../../lib/tls.ts'
import type { AuthoritySet } from '../../proto/index.ts'
import { put, type Store, unchanged } from '../../store/store.ts'
import { type AuthorityParts, readAuthorities, signer } from './parts.ts'

export interface OwnFiles {
  readonly tls: Tls
  /** Where etcd's are; undefined: somebody else's matter. */
  readonly etcd: string | undefined
}

interface OwnCertificate {
  readonly cert: string
  readonly key: string
  readonly issue: (authority: Authority, request: string, hosts: readonly string[]) => Promise<string>
}

/**
 * Trusts whom the cluster trusts, renews what is due, or of another authority
 * than the active one, and says so in this controller's identity.
 * @returns when the next one is due, in milliseconds since the epoch.
 * @throws OverlayError `failed_precondition` when a file cannot be read or replaced; `unavailable`.
 */
export async function renewOwn(parts: AuthorityParts, files: OwnFiles): Promise<number> {
  const { store, sealing, now, log } = parts
  const { value: set } = await readAuthorities(store)
  // Before any certificate of a new authority is shown to us.
  trustAuthorities(files.tls, set)
  const { authority } = signer(sealing, set)
  const due: number[] = []
  for (const own of ownCertificates(parts, files)) {
    const there = certificateIn(own.cert)
    if (isOf(there, authority.certificate) && renewalTime(there) > now()) {
      due.push(renewalTime(there))
      continue
    }
    const renewed = await own.issue(authority, await requestOf(own.key), hostsOf(there))
    replace(own.cert, renewed)
    const { validTo } = new X509Certificate(renewed)
    log.info({ file: own.cert, notAfter: new Date(validTo).toISOString() }, 'certificate renewed')
    due.push(renewalTime(new X509Certificate(renewed)))
  }
  files.tls.reload()
  await tell(store, parts.self.id, set, files)
  return Math.min(...due)
}

/** From now on this controller trusts these. @throws OverlayError `failed_precondition` when that cannot be written. */
export function trustAuthorities(tls: Tls, set: AuthoritySet): void {
  const { ca } = tls.files
  if (ca && writeIfOther(ca, bundleOf(set))) tls.reload()
}

function ownCertificates({ life, self }: AuthorityParts, { tls, etcd }: OwnFiles): OwnCertificate[] {
  const inEtcd = (name: string) => ({ cert: join(etcd ?? '', `${name}.crt`), key: join(etcd ?? '', `${name}.key`) })
  const ofEtcd: OwnCertificate[] = [
    { ...inEtcd('server'), issue: (authority, request, hosts) => issueEtcdServer(authority, request, hosts, life) },
    { ...inEtcd('peer'), issue: (authority, request, hosts) => issueEtcdPeer(authority, request, hosts, life) },
  ]
  const { cert = '', key = '' } = tls.files
  const identity = { ...self, role: 'controller' } as const
  const issue: OwnCertificate['issue'] = (authority, request, hosts) =>
    issueIdentity(authority, request, identity, { hosts, life })
  // The identity says what all of them are: its own comes last.
  return [...(etcd === undefined ? [] : ofEtcd), { cert, key, issue }]
}

/** As the own certificate is: whoever rotates authorities goes by it. */
async function tell(store: Store, id: string, set: AuthoritySet, { tls }: OwnFiles): Promise<void> {
  const certificate = new X509Certificate(tls.current().cert ?? '')
  const authority = set.authorities.find((each) => isOf(certificate, each.certificate))?.id ?? ''
  const { start, end } = lifeOf(certificate)
  const entry = await store.get(store.keys.identity(id))
  if (!entry) throw new OverlayError('failed_precondition', `the identity ${id} of this controller was revoked`)
  const said = { issuedAt: new Date(start).toISOString(), notAfter: new Date(end).toISOString(), authority }
  if (entry.value.notAfter === said.notAfter && entry.value.authority === authority) return
  const identity = { ...entry.value, ...said }
  // One that changes it meanwhile has the next round come.
  await store.commit({
    compares: [unchanged(entry)],
    writes: [put(store.keys.identity(id), identity, { over: entry })],
  })
}

/** @returns whether it was another text. */
export function writeIfOther(path: string, content: string): boolean {
  if (readText(path) === content) return false
  replace(path, content)
  return true
}

/** Whoever may read it, still may. @throws OverlayError `failed_precondition`: then the old one is as it was. */
function replace(path: string, content: string): void {
  try {
    replaceFile(path, content, statSync(path).mode & 0o777)
  } catch (error) {
    throw new OverlayError('failed_precondition', `${path} cannot be replaced: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function certificateIn(path: string): X509Certificate {
  try {
    return new X509Certificate(readText(path))
  } catch (error) {
    throw new OverlayError('failed_precondition', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new OverlayError('failed_precondition', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

async function requestOf(path: string): Promise<string> {
  const key = createPrivateKey(readText(path))
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string
  return createRequest({ key: key.export({ type: 'pkcs8', format: 'pem' }) as string, publicKey })
}

/** Whether this authority (PEM) has signed it. */
function isOf(certificate: X509Certificate, authority: string): boolean {
  return certificate.verify(new X509Certificate(authority).publicKey)
}

/** Names and addresses that it is served at: as before. */
function hostsOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName.split(', ').flatMap((name) => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? [])
}
