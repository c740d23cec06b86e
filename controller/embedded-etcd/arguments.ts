/** The flags of the embedded etcd. */
import { etcdCipherSuite } from '../../lib/etcd-cipher.ts'
import { isLoopback, isWildcard } from '../address.ts'

export interface EtcdAddresses {
  /** Where it listens, with a port; http, or https with all of `tls`. */
  readonly listen: URL
  /** The host that others reach this one by, where `listen` is a wildcard. */
  readonly advertisedHost: string
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string } | undefined
}

/**
 * One member, which talks to no other: its peer port is any free one of the
 * loopback. History of an hour is kept, so that who was away less long can go
 * on where he was.
 */
export function etcdArguments(dataDirectory: string, { listen, advertisedHost, tls }: EtcdAddresses): string[] {
  const advertised = isWildcard(listen.hostname)
    ? `${listen.protocol}//${advertisedHost}:${listen.port}`
    : listen.origin
  const peer = 'http://127.0.0.1:0'
  const flags = {
    name: 'overlay',
    'data-dir': dataDirectory,
    'listen-client-urls': listen.origin,
    'advertise-client-urls': advertised,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `overlay=${peer}`,
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '1h',
    ...(tls && listen.protocol === 'https:'
      ? {
          'cert-file': tls.cert,
          'key-file': tls.key,
          'trusted-ca-file': tls.ca,
          'client-cert-auth': 'true',
          'cipher-suites': etcdCipherSuite,
        }
      : {}),
  }
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
}

/** Where this host reaches it. */
export function clientUrl({ listen }: Pick<EtcdAddresses, 'listen'>): string {
  if (!isWildcard(listen.hostname) || isLoopback(listen.hostname)) return listen.origin
  const host = listen.hostname.startsWith('[') ? '[::1]' : '127.0.0.1'
  return `${listen.protocol}//${host}:${listen.port}`
}
