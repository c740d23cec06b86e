/** VXLAN network identifiers (RFC 7348, section 5: 24 bits). */
import { OverlayError } from './errors.ts'

declare const brand: unique symbol

export type Vni = number & { readonly [brand]: 'Vni' }

const mostVni = 0xffffff

/** For people. */
export const vniRange = `1 to ${mostVni}`

/** @throws OverlayError `invalid` */
export function parseVni(value: number): Vni {
  if (!Number.isInteger(value) || value < 1 || value > mostVni)
    throw new OverlayError('invalid', `${value} is not a VNI (${vniRange})`)
  return value as Vni
}
