/** Limits on what a request may carry as labels or options. */
import type { Faults } from './faults.ts'
import { quote } from './quote.ts'

/** Labels, or options, of one object. */
export const mostLabels = 64
const longestValue = 1024

/**
 * Notes every label whose key or value is not acceptable: keys of 1 to 63
 * letters, digits, dots, slashes, hyphens and underscores, a letter or digit
 * first and last; printable values of up to 1024 bytes; at most 64 of them.
 */
export function checkLabels(faults: Faults, field: string, labels: { readonly [key: string]: string }): void {
  const entries = Object.entries(labels)
  if (entries.length > mostLabels)
    faults.add(`${field}: ${entries.length} are too many (at most ${mostLabels}): leave some out`)
  for (const [key, value] of entries.slice(0, mostLabels)) {
    if (!/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/.test(key))
      faults.add(
        `${field}: ${quote(key)} is not a key: use 1 to 63 letters, digits, ".", "_", "/" and "-", a letter or digit first and last`,
      )
    if (Buffer.byteLength(value) > longestValue)
      faults.add(
        `${field}: the value of ${quote(key)} is longer than ${longestValue} bytes: shorten it, or name here where it is kept`,
      )
    if (/[\p{Cc}\p{Cs}]/u.test(value))
      faults.add(`${field}: the value of ${quote(key)} has control characters: leave them out`)
  }
}
