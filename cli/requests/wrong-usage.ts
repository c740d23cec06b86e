/** What is wrong with a request by itself: told by the options that say it, all at once, and nothing is asked. */
import { UsageError } from '../../lib/errors.ts'
import type { Faults } from '../../lib/faults.ts'
import { quote } from '../../lib/quote.ts'

/** How a person writes what a request calls otherwise, by field. */
export type Flags = { readonly [field: string]: string }

/** Faults begin with their field: `ipRange: …`, or `subnet 10.0.9.7/24 …`. */
export function inFlags(faults: Faults, flags: Flags): string[] {
  return faults.all.map((fault) =>
    fault.replace(/^\w+(?=[: ])/, (field) => (Object.hasOwn(flags, field) ? (flags[field] ?? field) : field)),
  )
}

/** @throws UsageError with all faults, if there are any. */
export function refuseFaults(faults: Faults, flags: Flags): void {
  const found = inFlags(faults, flags)
  if (found.length > 0) throw new UsageError(found.join('; '))
}

/** In a request empty text says that nothing is given. */
export function checkGiven(faults: Faults, field: string, text: string | undefined): void {
  if (text === '') faults.add(`${field}: must not be empty`)
}

interface Bounds {
  /** For people. */
  readonly range: string
  readonly least: number
  /** By default what a request can hold: the range is held against the number later, with the rest. */
  readonly most?: number
}

/** Undefined when nothing is given, or no whole number within the bounds, which is noted. */
export function wholeNumber(
  faults: Faults,
  field: string,
  text: string | undefined,
  { range, least, most = 0x7f_ff_ff_ff }: Bounds,
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^-?\d+$/.test(text) && value >= least && value <= most) return value
  faults.add(`${field}: ${quote(text)} is not a whole number in range: ${range}`)
  return undefined
}

type Pairs = { readonly [key: string]: string }

/** KEY=VALUE each; of a key that is given again the later value counts. */
export function pairsOf(faults: Faults, field: string, texts: readonly string[] = []): Pairs {
  const pairs = texts.flatMap((text) => {
    const at = text.indexOf('=')
    if (at > 0) return [[text.slice(0, at), text.slice(at + 1)]]
    faults.add(`${field}: ${quote(text)} is not KEY=VALUE (for example team=web)`)
    return []
  })
  return Object.fromEntries(pairs)
}

/** As pairsOf; a key alone has an empty value. */
export function labelsOf(faults: Faults, texts: readonly string[] = []): Pairs {
  return pairsOf(
    faults,
    'labels',
    texts.map((text) => (text === '' || text.includes('=') ? text : `${text}=`)),
  )
}
