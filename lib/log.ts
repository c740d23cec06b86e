/** Logs: one JSON object a line on standard error, a constant message and fields. */
import { pino } from 'pino'
import { OverlayError } from './errors.ts'

export type { Logger } from 'pino'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export function createLogger(program: string, level: LogLevel) {
  return pino(
    {
      level,
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}

/** Code and message of expected errors; the stack only of unexpected ones. */
function errorFields(error: unknown): object {
  const known = OverlayError.from(error)
  const cause = known.cause instanceof Error ? known.cause.message : undefined
  const fields = { code: known.code, message: known.message }
  if (known.code !== 'internal') return cause && cause !== known.message ? { ...fields, cause } : fields
  return { ...fields, stack: (known.cause instanceof Error ? known.cause : known).stack }
}
