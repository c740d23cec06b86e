/** The address of this host that the others dial, and that VXLAN packets go to. */
import { isIP } from 'node:net'
import { OverlayError } from '../../lib/errors.ts'
import type { Host, HostAddress } from './host.ts'
import { canonical } from './urls.ts'

/** Interfaces that other programs make for what runs on this host: nobody outside gets there. */
const inward = /^(lo$|docker|br-|ovbr|ovvx|veth|virbr|vnet|cni|podman|lxc|lxd)/

export interface Advertised {
  readonly address: string
  /** Why this one, where others are as good. */
  readonly note: string | undefined
}

/**
 * The address given, or else the one that the default route uses.
 * @throws OverlayError `invalid` when it is none of this host's, or of no use to
 * other hosts; `failed_precondition` when none can be chosen.
 */
export async function chooseAdvertised(host: Host, given: string | undefined): Promise<Advertised> {
  const candidates = host.addresses().filter((one) => !inward.test(one.interface))
  if (given !== undefined) return { address: checkOwn(host, given, candidates), note: undefined }
  const source = await host.defaultSource()
  const useful = candidates.filter(({ address }) => !isNat(address))
  if (source !== undefined && isNat(source)) throw natRefused(source, useful)
  const address = source ?? (useful.length === 1 ? useful[0]?.address : undefined)
  if (address === undefined)
    throw new OverlayError(
      'failed_precondition',
      `this host has no default route to tell which of its addresses others can reach: name it with --advertise${listed(useful)}`,
    )
  const own = useful.find((one) => one.address === address)?.interface
  const others = useful.filter((one) => one.interface !== own && isIP(one.address) === isIP(address))
  if (others.length === 0) return { address, note: undefined }
  return {
    address,
    note: `of this host's addresses, ${address} is advertised, by which its default route goes; name another with --advertise${listed(others)}`,
  }
}

/**
 * An address that the person named.
 * @throws OverlayError `invalid`
 */
export function checkOwn(host: Host, given: string, candidates: readonly HostAddress[] = host.addresses()): string {
  const address = canonical(given)
  if (/^(127\.|::1$|0\.0\.0\.0$|::$)/.test(address))
    throw new OverlayError(
      'invalid',
      `--advertise ${address}: other hosts cannot reach this one by it: name an address of its own${listed(candidates)}`,
    )
  if (!host.addresses().some((one) => one.address === address))
    throw new OverlayError(
      'invalid',
      `--advertise ${address}: this host does not have that address${listed(candidates)}`,
    )
  return address
}

/** VirtualBox gives every VM this address behind its NAT, QEMU's user network too; others of 10.0.2.0/24 may be real. */
export function isNat(address: string): boolean {
  return address === '10.0.2.15'
}

/** @throws always */
export function natRefused(address: string, others: readonly HostAddress[]): OverlayError {
  return new OverlayError(
    'failed_precondition',
    `the default route goes by ${address}, which every VM behind VirtualBox's NAT has, and no other host can reach: name an address with --advertise${listed(others)}`,
  )
}

function listed(addresses: readonly HostAddress[]): string {
  if (addresses.length === 0) return ''
  return ` (it has ${addresses.map((one) => `${one.address} on ${one.interface}`).join(', ')})`
}
