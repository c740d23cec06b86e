/** What an endpoint says that it has. For each there is a key that names the endpoint: then it is its owner. */
import { isIP } from 'node:net'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { type Mac, parseMac } from '../../lib/mac.ts'
import { parseName } from '../../lib/names.ts'
import type { Endpoint } from '../../proto/index.ts'
import type { Keys } from '../../store/keys.ts'
import type { Key } from '../../store/store.ts'

export type Claim =
  | { readonly kind: 'address'; readonly subject: Ip }
  | { readonly kind: 'name'; readonly subject: string }
  | { readonly kind: 'mac'; readonly subject: Mac }

/** Those of the record that can be, each once: what is no address, name or MAC can have no key. */
export function claimsOf({ addresses, name, mac }: Pick<Endpoint, 'addresses' | 'name' | 'mac'>): Claim[] {
  const claims: Claim[] = []
  for (const text of [...addresses, name, mac]) {
    const claim = readClaim(text)
    if (claim && !claims.some(({ subject }) => subject === claim.subject)) claims.push(claim)
  }
  return claims
}

/** By its form: no name is an address or a MAC. Undefined when it is none of them. */
export function readClaim(text: string): Claim | undefined {
  if (text === '') return undefined
  if (isIP(text) !== 0 && !text.includes('%')) return { kind: 'address', subject: parseIp(text) }
  try {
    return text.includes(':') ? { kind: 'mac', subject: parseMac(text) } : { kind: 'name', subject: parseName(text) }
  } catch {
    return undefined
  }
}

export function hasClaim(endpoint: Endpoint, { kind, subject }: Claim): boolean {
  return claimsOf(endpoint).some((claim) => claim.kind === kind && claim.subject === subject)
}

/** The key that names the owner. */
export function claimKey(keys: Keys, network: string, claim: Claim): Key<{ readonly endpointId: string }> {
  switch (claim.kind) {
    case 'address':
      return keys.address(network, claim.subject)
    case 'name':
      return keys.name(network, claim.subject)
    case 'mac':
      return keys.mac(network, claim.subject)
  }
}

/** For people: `address 10.0.9.7`, `name "db"`, `MAC 02:…`. */
export function claimText({ kind, subject }: Claim): string {
  if (kind === 'name') return `name "${subject}"`
  return kind === 'mac' ? `MAC ${subject}` : `address ${subject}`
}
