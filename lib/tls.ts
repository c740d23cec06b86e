/** TLS material from the flags --tls-cert, --tls-key and --tls-ca. */
import { readFileSync } from 'node:fs'
import { type ChannelCredentials, credentials, ServerCredentials } from '@grpc/grpc-js'
import { OverlayError } from './errors.ts'

export interface TlsFiles {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly ca?: string | undefined
}

export interface TlsMaterial {
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly ca: Buffer
}

/**
 * Reads the files; undefined when none is named: then connections are in clear.
 * @throws OverlayError `invalid` when a file is missing, or one of a pair.
 */
export function readTls({ cert, key, ca }: TlsFiles): TlsMaterial | undefined {
  if (!cert && !key && !ca) return undefined
  if (!ca) throw new OverlayError('invalid', 'TLS needs --tls-ca: the certificate of the authority to trust')
  if (Boolean(cert) !== Boolean(key)) throw new OverlayError('invalid', 'give --tls-cert and --tls-key together')
  const material = { ca: read('--tls-ca', ca) }
  return cert && key ? { ...material, cert: read('--tls-cert', cert), key: read('--tls-key', key) } : material
}

export function serverCredentials(tls: TlsMaterial | undefined): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure()
  if (!tls.cert || !tls.key) throw new OverlayError('invalid', 'to serve with TLS give --tls-cert and --tls-key too')
  return ServerCredentials.createSsl(tls.ca, [{ private_key: tls.key, cert_chain: tls.cert }], true)
}

export function clientCredentials(tls: TlsMaterial | undefined): ChannelCredentials {
  if (!tls) return credentials.createInsecure()
  return credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null)
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new OverlayError('invalid', `${flag} ${path}: cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
