/** VXLAN network identifiers (RFC 7348, section 5: 24 bits). */
import { OverlayError } from './errors.ts'

declare const brand: unique symbol

export type Vni = number & { readonly [brand]: 'Vni' }

/** @throws OverlayError `invalid` */
export function parseVni(value: number): Vni {
  if (!Number.isInteger(value) || value < 1 || value > 0xffffff)
    throw new OverlayError('invalid', `${value} is not a VNI (1 to 16777215)`)
  return value as Vni
}
