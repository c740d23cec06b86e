/** TLS from the flags --tls-cert, --tls-key and --tls-ca, whose files may be replaced while connections go on. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { type ChannelCredentials, credentials, experimental, ServerCredentials } from '@grpc/grpc-js'
import { OverlayError } from './errors.ts'

// Of all that we serve and dial. etcd's servers are held to it by lib/etcd-cipher.ts.
tls.DEFAULT_MIN_VERSION = 'TLSv1.3'

// grpc-js gives an address as the TLS server name, as it does a name (DEP0123): said on the standard error of every
// command, that would help nobody.
process.noDeprecation = true

export interface TlsFiles {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly ca?: string | undefined
}

/** What the files hold: PEM. */
export interface TlsMaterial {
  readonly cert?: Buffer
  readonly key?: Buffer
  /** One or more authorities, one after the other. */
  readonly ca: Buffer
}

/** TLS material that is read again when its files have been replaced. */
export interface Tls {
  readonly files: TlsFiles
  current(): TlsMaterial
  /**
   * Reads the files again: what connects from now on uses what they hold; what
   * is connected stays so.
   * @returns whether anything is another.
   * @throws OverlayError `invalid` when they cannot be used, as while somebody
   * is replacing them; then all is as before.
   */
  reload(): boolean
  /** Told after each reload that changed something. @returns how to end that. */
  onChange(listener: () => void): () => void
}

/**
 * Reads the files; undefined when none is named: then connections are in clear.
 * @throws OverlayError `invalid` when a file is missing, or one of a pair, or
 * when they are not what they should be: grpc-js would say nothing of that, and
 * drop every connection.
 */
export function readTls(files: TlsFiles): Tls | undefined {
  const { cert, key, ca } = files
  if (!cert && !key && !ca) return undefined
  if (!ca) throw new OverlayError('invalid', 'TLS needs --tls-ca: the certificate of the authority to trust')
  if (Boolean(cert) !== Boolean(key)) throw new OverlayError('invalid', 'give --tls-cert and --tls-key together')
  const listeners = new Set<() => void>()
  let material = readFiles(files, ca)
  return {
    files,
    current: () => material,
    reload() {
      const now = readFiles(files, ca)
      if (isSame(now, material)) return false
      material = now
      for (const listener of listeners) listener()
      return true
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/**
 * Asks each client for a certificate, and takes a connection without a valid
 * one too: what it may call is decided call by call (its auth context is empty
 * then), so that refusals have a code and a reason.
 */
export function serverCredentials(material: Tls | undefined): ServerCredentials {
  if (!material) return ServerCredentials.createInsecure()
  const { cert, key } = material.current()
  if (!cert || !key) throw new OverlayError('invalid', 'to serve with TLS give --tls-cert and --tls-key too')
  const provider = providerOf(material)
  return experimental.createCertificateProviderServerCredentials(provider, provider, false)
}

export function clientCredentials(material: Tls | undefined): ChannelCredentials {
  if (!material) return credentials.createInsecure()
  const provider = providerOf(material)
  return experimental.createCertificateProviderChannelCredentials(provider, material.current().cert ? provider : null)
}

type Provider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[1]
type CaListener = Parameters<NonNullable<Provider>['addCaCertificateListener']>[0]
type IdentityListener = Parameters<NonNullable<Provider>['addIdentityCertificateListener']>[0]

/**
 * As grpc-js takes material that changes. A listener is told of what there is
 * once it has been added: a server would miss it before, and then drop every
 * connection.
 */
function providerOf(material: Tls): NonNullable<Provider> {
  const ends = new Map<CaListener | IdentityListener, () => void>()
  const listen = (listener: CaListener | IdentityListener, tell: () => void) => {
    ends.set(listener, material.onChange(tell))
    queueMicrotask(() => ends.has(listener) && tell())
  }
  const end = (listener: CaListener | IdentityListener) => {
    ends.get(listener)?.()
    ends.delete(listener)
  }
  return {
    addCaCertificateListener: (listener) => listen(listener, () => listener({ caCertificate: material.current().ca })),
    removeCaCertificateListener: end,
    addIdentityCertificateListener: (listener) =>
      listen(listener, () => {
        const { cert, key } = material.current()
        listener(cert && key ? { certificate: cert, privateKey: key } : null)
      }),
    removeIdentityCertificateListener: end,
  }
}

function readFiles({ cert, key }: TlsFiles, ca: string): TlsMaterial {
  const authorities = { ca: read('--tls-ca', ca) }
  usable(`--tls-ca ${ca}: is no certificate in PEM`, () => new X509Certificate(authorities.ca))
  if (!cert || !key) return authorities
  const material = { ...authorities, cert: read('--tls-cert', cert), key: read('--tls-key', key) }
  const what = `--tls-cert ${cert} and --tls-key ${key}: are no certificate in PEM and its key`
  usable(what, () => tls.createSecureContext(material))
  return material
}

/** @throws OverlayError `invalid` */
function usable(message: string, attempt: () => unknown): void {
  try {
    attempt()
  } catch (error) {
    throw new OverlayError('invalid', `${message} (${(error as Error).message})`, { cause: error })
  }
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return (['ca', 'cert', 'key'] as const).every((part) => String(one[part]) === String(other[part]))
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new OverlayError('invalid', `${flag} ${path}: cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
