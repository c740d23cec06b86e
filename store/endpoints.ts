/** Where etcd is: the URLs that a person gives. */
import { OverlayError } from '../lib/errors.ts'

/** One member of the etcd cluster. */
export interface EtcdEndpoint {
  /** For messages, for example `http://10.0.0.1:2379`. */
  readonly url: string
  /** HOST:PORT, an IPv6 host in brackets. */
  readonly target: string
  readonly secure: boolean
}

const defaultPort = '2379'

/**
 * Takes `http://HOST:PORT`, `https://HOST:PORT` and bare `HOST:PORT`, which is
 * https when TLS material was given. The port may be left out: 2379.
 * @throws OverlayError `invalid`, naming the URL and what is wrong.
 */
export function parseEtcdUrls(urls: readonly string[], tls: boolean): readonly EtcdEndpoint[] {
  if (urls.length === 0)
    throw new OverlayError('invalid', 'no etcd URL is given: name at least one, for example http://127.0.0.1:2379')
  const endpoints = urls.map((url) => parseEtcdUrl(url.trim(), tls))
  return [...new Map(endpoints.map((endpoint) => [endpoint.url, endpoint])).values()]
}

function parseEtcdUrl(text: string, tls: boolean): EtcdEndpoint {
  const wrong = (why: string) =>
    new OverlayError('invalid', `etcd URL "${text}": ${why} (write for example http://127.0.0.1:2379)`)
  const whole = text.includes('://') ? text : `${tls ? 'https' : 'http'}://${text}`
  if (!URL.canParse(whole)) throw wrong('this is no URL')
  const { protocol, hostname, port, pathname, search, hash, username, password } = new URL(whole)
  if (protocol !== 'http:' && protocol !== 'https:') throw wrong('only http and https are known')
  if (!hostname) throw wrong('the host is missing')
  if (username || password) throw wrong('a user in the URL is not supported: use client certificates')
  if (pathname !== '/' || search || hash) throw wrong('it goes on after the port; give host and port only')
  if (tls && protocol === 'http:') throw wrong('TLS files are given, but the URL says http')
  // URL leaves out the port that its scheme implies (80, 443), even when it was written.
  const written = /:(\d+)\/?$/.exec(whole)?.[1]
  const target = `${hostname}:${port || written || defaultPort}`
  return { url: `${protocol}//${target}`, target, secure: protocol === 'https:' }
}
