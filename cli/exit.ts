/** Exit codes, and the one line that tells why. */
import { constants } from 'node:os'
import { OverlayError, UsageError } from '../lib/errors.ts'
import { CallError } from './connect.ts'
import { printable } from './table.ts'

export const exitCode = {
  done: 0,
  /** Refused or failed. */
  failed: 1,
  wrongUsage: 2,
} as const

/** As a shell reports a program that a signal ended: 128 + n, for example 130 after Ctrl-C. */
export function exitCodeOfSignal(signal: string): number {
  const numbers: { readonly [name: string]: number } = constants.signals
  return 128 + (numbers[signal] ?? 0)
}

export function exitCodeOf(error: unknown): number {
  return error instanceof UsageError ? exitCode.wrongUsage : exitCode.failed
}

/** One line for people; with `verbose` also where it comes from. */
export function errorText(thrown: unknown, verbose: boolean): string {
  const error = OverlayError.from(thrown)
  const line = `overlayctl: ${printable(oneLine(error.message))}\n`
  if (!verbose) return line
  const details = [['code', error.code]]
  if (error instanceof CallError) details.push([error.peer, error.address])
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    details.push(['cause', oneLine(error.code === 'internal' ? (cause.stack ?? cause.message) : cause.message)])
  }
  return line + details.map(([name, value]) => `  ${name}: ${value}\n`).join('')
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, '; ')
}
