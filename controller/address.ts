/** Addresses that daemons listen on and can be dialled at: HOST:PORT. */
import { isIPv6 } from 'node:net'
import { OverlayError } from '../lib/errors.ts'

export { isLoopback, isWildcard } from '../lib/reach.ts'

export interface HostPort {
  /** A name or address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** @throws OverlayError `invalid` */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (!host || port < 1 || port > 65_535 || (match?.[1] !== undefined && !isIPv6(host)))
    throw new OverlayError('invalid', `"${text}" is not HOST:PORT (for example 10.0.0.1:4780 or [fd00::1]:4780)`)
  return { host, port }
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
