/** Addresses as they are written in URLs and in HOST:PORT. */
import { isIPv6 } from 'node:net'

/** With brackets around an IPv6 address. */
export function hostPort(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

export function httpsUrl(host: string, port: number): string {
  return `https://${hostPort(host, port)}`
}

/** Of HOST:PORT; brackets are taken off. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) }
}

/** One spelling of each address: `FD00:0::1` is `fd00::1`. */
export function canonical(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}
