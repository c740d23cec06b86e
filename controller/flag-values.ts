/** Values of flags, as the configuration gives them: parsed, with every fault kept. */
import type { z } from 'zod'
import { hasCode, OverlayError } from '../lib/errors.ts'

export interface FlagValues {
  /**
   * The flag's one value, or else the fallback, parsed; undefined when that
   * failed, which is a fault then. `parse` throws OverlayErrors `invalid`.
   */
  one<T>(name: string, fallback: string, parse: (text: string) => T): T | undefined
  /** All of a flag that may be repeated. */
  all<T>(name: string, fallback: readonly string[], parse: (text: string) => T): readonly T[]
  /** Runs a check, or a parser, of several flags; its `invalid` error is a fault of this one. */
  check<T>(name: string, run: () => T): T | undefined
  isGiven(name: string): boolean
}

export function flagValues(given: { readonly [name: string]: unknown }, context: z.RefinementCtx): FlagValues {
  const check = <T>(name: string, run: () => T): T | undefined => {
    try {
      return run()
    } catch (error) {
      if (!hasCode(error, 'invalid')) throw error
      context.addIssue({ code: 'custom', path: [name], message: error.message })
      return undefined
    }
  }
  return {
    check,
    one: (name, fallback, parse) => check(name, () => parse(textOf(given[name] ?? fallback))),
    all(name, fallback, parse) {
      const values = given[name] ?? fallback
      const each = Array.isArray(values) ? (values as unknown[]) : [values]
      return each.flatMap((value) => check(name, () => [parse(textOf(value))]) ?? [])
    },
    isGiven: (name) => given[name] !== undefined,
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  throw new OverlayError('invalid', 'takes one value')
}
