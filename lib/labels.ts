/** Limits on what a request may carry as labels or options. */
import type { Faults } from './faults.ts'

const most = 64
const longestValue = 1024

/**
 * Notes every label whose key or value is not acceptable: keys of 1 to 63
 * letters, digits, dots, slashes, hyphens and underscores, a letter or digit
 * first and last; printable values of up to 1024 bytes; at most 64 of them.
 */
export function checkLabels(faults: Faults, field: string, labels: { readonly [key: string]: string }): void {
  const entries = Object.entries(labels)
  if (entries.length > most) faults.add(`${field}: ${entries.length} are too many (at most ${most})`)
  for (const [key, value] of entries.slice(0, most)) {
    if (!/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/.test(key))
      faults.add(
        `${field}: "${key.slice(0, 80)}" is not a key: use 1 to 63 letters, digits, ".", "_", "/" and "-", a letter or digit first and last`,
      )
    if (Buffer.byteLength(value) > longestValue)
      faults.add(`${field}: the value of "${key.slice(0, 63)}" is longer than ${longestValue} bytes`)
    if (/\p{Cc}/u.test(value)) faults.add(`${field}: the value of "${key.slice(0, 63)}" has control characters`)
  }
}
