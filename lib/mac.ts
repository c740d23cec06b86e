/** Ethernet addresses, all of our own making. */
import { createHash } from 'node:crypto'
import { OverlayError } from './errors.ts'
import { quote } from './quote.ts'

declare const brand: unique symbol

/** Six bytes as lower-case hex with colons. */
export type Mac = string & { readonly [brand]: 'Mac' }

/** @throws OverlayError `invalid` */
export function parseMac(text: string): Mac {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text))
    throw new OverlayError('invalid', `${quote(text)} is not a MAC address (for example 02:42:0a:00:09:07)`)
  return text.toLowerCase() as Mac
}

/**
 * A MAC that one endpoint can have: a group address (the lowest bit of the
 * first byte, IEEE 802) is no one's own, and a device refuses all zeros.
 *
 * @throws OverlayError `invalid`
 */
export function parseEndpointMac(text: string): Mac {
  const mac = parseMac(text)
  if (((macBytes(mac)[0] ?? 0) & 1) === 1)
    throw new OverlayError(
      'invalid',
      `${quote(text)} is a multicast MAC address: an endpoint needs a unicast one, whose first byte is even (for example 02:42:0a:00:09:07)`,
    )
  if (mac === '00:00:00:00:00:00')
    throw new OverlayError(
      'invalid',
      `${quote(text)} is no MAC address of a device: choose another (for example 02:42:0a:00:09:07)`,
    )
  return mac
}

/**
 * A locally administered unicast address (IEEE 802, second bit of the first
 * byte) derived from what the device is: the same parts, the same MAC, on any
 * host and after any restart. The parts of different devices must differ.
 */
export function macOf(...parts: readonly string[]): Mac {
  const digest = createHash('sha256').update(parts.join('\0')).digest()
  digest[0] = ((digest[0] ?? 0) & 0xfc) | 0x02
  return [...digest.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':') as Mac
}

export function macBytes(mac: Mac): Uint8Array {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}
