/** Addresses that no endpoint has: what the network keeps for itself, reservations, and what rests. */
import type { Ip } from '../../lib/ip.ts'
import type { AddressOwner, Init, Network, ReleasedAddress } from '../../proto/index.ts'
import { readClaim } from './claims.ts'

export interface Reserved {
  readonly ip: Ip
  /** What the address's key says then. */
  readonly owner: Pick<AddressOwner, 'kind' | 'name'>
}

/** The gateways and auxiliary addresses of the record. */
export function reservedIn({ subnets }: Network): Reserved[] {
  return subnets.flatMap(({ gateway, auxAddresses }) => [
    ...addressOf(gateway, { kind: 'GATEWAY', name: '' }),
    ...Object.entries(auxAddresses).flatMap(([name, text]) => addressOf(text, { kind: 'AUXILIARY', name })),
  ])
}

export function reservedAs(network: Network, ip: string): Reserved['owner'] | undefined {
  return reservedIn(network).find((reserved) => reserved.ip === ip)?.owner
}

/** For people. */
export function reservedText({ kind, name }: Pick<AddressOwner, 'kind' | 'name'>): string {
  return kind === 'GATEWAY' ? 'the gateway' : `the auxiliary address "${name}"`
}

/** So much may the clocks of hosts differ. */
const clockDifference = 3_600_000

/** A reservation whose time is over. One without a time has no end. */
export function isExpired({ kind, expiresAt }: Init<AddressOwner>, now: number): boolean {
  return kind === 'RESERVATION' && Date.parse(expiresAt ?? '') + clockDifference < now
}

/** A rest that should have ended by itself, with its lease. */
export function isOverdue({ freeAt }: ReleasedAddress, now: number): boolean {
  return Date.parse(freeAt) + clockDifference < now
}

function addressOf(text: string, owner: Reserved['owner']): Reserved[] {
  const claim = readClaim(text)
  return claim?.kind === 'address' ? [{ ip: claim.subject, owner }] : []
}
