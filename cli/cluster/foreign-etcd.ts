/** An etcd that somebody else runs, and the certificates that it asks for. */
import { OverlayError } from '../../lib/errors.ts'
import type { ForeignEtcd } from './configs.ts'
import type { Host } from './host.ts'

export interface ForeignOptions {
  /** URLs, with commas between. */
  readonly etcd?: string
  readonly etcdCa?: string
  readonly etcdCert?: string
  readonly etcdKey?: string
}

/** What the files hold. */
export interface ForeignFiles {
  readonly ca: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** @throws OverlayError `invalid` of URLs that are none. */
export function parseUrls(text: string): readonly string[] {
  const urls = text.split(',').map((url) => url.trim())
  for (const url of urls)
    if (!/^https?:\/\/[^/?#@]+\/?$/.test(url) || !URL.canParse(url))
      throw new OverlayError('invalid', `--etcd: "${url}" is not a URL of etcd (for example https://10.0.0.5:2379)`)
  return urls.map((url) => url.replace(/\/$/, ''))
}

/**
 * Undefined without --etcd-ca: etcd in clear, or with certificates of the cluster's own authority.
 * @throws OverlayError `invalid`
 */
export function readForeignFiles(host: Host, { etcdCa, etcdCert, etcdKey }: ForeignOptions): ForeignFiles | undefined {
  if (!etcdCa && !etcdCert && !etcdKey) return undefined
  if (!etcdCa) throw new OverlayError('invalid', 'TLS to etcd needs --etcd-ca: the certificate of its authority')
  if (Boolean(etcdCert) !== Boolean(etcdKey))
    throw new OverlayError('invalid', 'give --etcd-cert and --etcd-key together')
  const ca = readOption(host, '--etcd-ca', etcdCa)
  if (!etcdCert || !etcdKey) return { ca }
  return { ca, cert: readOption(host, '--etcd-cert', etcdCert), key: readOption(host, '--etcd-key', etcdKey) }
}

/** As the programs' configuration has it. */
export function foreignEtcdOf(files: ForeignFiles | undefined): ForeignEtcd {
  return { hasCa: files !== undefined, hasCertificate: files?.cert !== undefined }
}

function readOption(host: Host, flag: string, path: string): Buffer {
  try {
    return host.read(path)
  } catch (error) {
    throw new OverlayError('invalid', `${flag} ${path}: cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
