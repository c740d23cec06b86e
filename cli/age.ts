/** Times as people say them. */

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/**
 * How long ago an RFC 3339 time was, in its largest unit, with the next one
 * while the number is small: `45s`, `3m20s`, `2h`, `9d`. Empty for no time; `0s`
 * when the clocks differ and it lies ahead.
 */
export function ageText(time: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(time)) / 1000))
  if (Number.isNaN(seconds)) return ''
  const at = units.findIndex(([, size]) => seconds >= size)
  const unit = units[at]
  if (!unit) return '0s'
  const [name, size] = unit
  const count = Math.floor(seconds / size)
  const [nextName, nextSize] = units[at + 1] ?? ['', 1]
  const rest = nextName && count < 10 ? Math.floor((seconds % size) / nextSize) : 0
  return `${count}${name}${rest > 0 ? `${rest}${nextName}` : ''}`
}
