/** Which name servers this host asks (resolv.conf(5)). */
import { readFileSync } from 'node:fs'
import { hasCode } from '../../lib/errors.ts'
import { familyOf, type Ip, parseIp } from '../../lib/ip.ts'
import type { Resolver } from './host-routes.ts'

/** Where systemd-resolved's stub listens, and where it says whom it asks itself (systemd-resolved(8)). */
const resolvedStub = '127.0.0.53'
const files = { host: '/etc/resolv.conf', resolved: '/run/systemd/resolve/resolv.conf' }

/** Those outside this host. A file that cannot be read names none. */
export function readResolvers({ host, resolved } = files): readonly Resolver[] {
  const named = nameservers(host)
  const behind = named.some(({ address }) => address === resolvedStub) ? nameservers(resolved) : []
  return [...named, ...behind].filter(({ address }) => !isLocal(address))
}

function nameservers(from: string): Resolver[] {
  return read(from)
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
    .flatMap((text) => parsed(text) ?? [])
    .map((address) => ({ address, from }))
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Undefined also for a link-local address with its interface behind a `%`. */
function parsed(text: string): Ip | undefined {
  try {
    return parseIp(text)
  } catch (error) {
    if (hasCode(error, 'invalid')) return undefined
    throw error
  }
}

/** Loopback, wildcard or link-local. */
function isLocal(address: Ip): boolean {
  return familyOf(address) === 4 ? /^(127|0|169\.254)\./.test(address) : /^(::1?$|fe[89ab])/.test(address)
}
