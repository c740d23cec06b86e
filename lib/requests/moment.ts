/** Points in time as people write them: a date, a time, or how long ago. */
import { OverlayError } from '../errors.ts'
import { quote } from '../quote.ts'

const seconds = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 } as const

const duration = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/
const timestamp = /^\d{4}-\d{2}-\d{2}(?:[Tt]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})?)?$/

/**
 * RFC 3339, also without seconds or zone (then UTC) or as a date alone; or a
 * duration before `now`, as `90s`, `1h30m` or `7d`.
 * @throws OverlayError `invalid`
 */
export function parseMoment(text: string, now: Date): Date {
  const moment = duration.test(text) ? new Date(now.getTime() - milliseconds(text)) : fromTimestamp(text)
  if (moment && !Number.isNaN(moment.getTime())) return moment
  throw new OverlayError(
    'invalid',
    `${quote(text)} is no point in time: give RFC 3339 (2026-01-31T12:00:00Z), a date, or how long ago (90s, 1h30m, 7d)`,
  )
}

function milliseconds(text: string): number {
  const parts = [...text.matchAll(/([\d.]+)(ms|[smhdw])/g)]
  return parts.reduce(
    (sum, [, number, unit]) => sum + Number(number) * seconds[unit as keyof typeof seconds] * 1_000,
    0,
  )
}

function fromTimestamp(text: string): Date | undefined {
  if (!timestamp.test(text) || !isDay(text.slice(0, 10))) return undefined
  const zoned = /[Zz]$|[+-]\d{2}:\d{2}$/.test(text.slice(10)) || text.length === 10
  return new Date((zoned ? text : `${text}Z`).toUpperCase())
}

/** Date takes the 31st of every month, and goes on into the next. */
function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}
