/** What a benchmark gives: one figure, what it was measured against, and its bound. */

export interface Figure {
  /** The benchmark's name. */
  readonly bench: string
  /** What was measured. */
  readonly what: string
  readonly value: number
  /** `ms`, `x` (ratio), `%`, `MiB`, `Gbit/s`… */
  readonly unit: string
  /** The bound that the project holds itself to, if there is one. */
  readonly atMost?: number
  readonly atLeast?: number
  /** Where the figure comes from: rounds, peers, parts. */
  readonly note?: string
}

export interface Benchmark {
  readonly name: string
  readonly about: string
  run(): Promise<readonly Figure[]>
}

export function isWithinBounds({ value, atMost = Infinity, atLeast = -Infinity }: Figure): boolean {
  return value <= atMost && value >= atLeast
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** @throws RangeError when there are no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  if (value === undefined) throw new RangeError('no values')
  return value
}

/** A line for a person. */
export function figureText(figure: Figure): string {
  const { what, value, unit, atMost, atLeast, note } = figure
  const bound = atMost !== undefined ? `<= ${atMost}` : atLeast !== undefined ? `>= ${atLeast}` : ''
  const verdict = bound ? (isWithinBounds(figure) ? 'ok' : 'MISSED') : ''
  const shown = `${value.toFixed(value < 10 ? 2 : 1)} ${unit}`
  return `  ${what.padEnd(58)} ${shown.padStart(14)} ${bound.padStart(9)} ${verdict.padEnd(7)} ${note ?? ''}`.trimEnd()
}
