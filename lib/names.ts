/** What may be a name. */
import { OverlayError } from './errors.ts'
import { quote } from './quote.ts'

/**
 * A DNS label (RFC 1123, 2.1): it becomes part of etcd keys, interface aliases
 * and host names.
 * @throws OverlayError `invalid`
 */
export function parseName(text: string): string {
  if (isName(text)) return text
  throw new OverlayError(
    'invalid',
    `${quote(text)} is not a name: use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first and last`,
  )
}

/** Whether `parseName` takes it. */
export function isName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
}

/**
 * A network interface's name as Linux takes it (dev_valid_name in
 * net/core/dev.c, which counts bytes), without `%`, which the kernel reads as a
 * pattern.
 * @throws OverlayError `invalid`
 */
export function parseIfname(text: string): string {
  if (/^((?![/:%])[!-~]){1,15}$/.test(text) && text !== '.' && text !== '..') return text
  throw new OverlayError(
    'invalid',
    `${quote(text)} is not an interface name: 1 to 15 ASCII characters without space, "/", ":" and "%"`,
  )
}
