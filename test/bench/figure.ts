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
  /**
   * The bound has nothing to do with how fast or how busy the machine is: a run
   * that misses it fails. Default: it informs.
   */
  readonly mustHold?: boolean
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

/** Missed a bound that must hold. */
export function isFailure(figure: Figure): boolean {
  return figure.mustHold === true && !isWithinBounds(figure)
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

/** Milliseconds that it takes. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

/** A line for a person. */
export function figureText(figure: Figure): string {
  const { what, value, unit, atMost, atLeast, note } = figure
  const bound = atMost !== undefined ? `<= ${atMost}` : atLeast !== undefined ? `>= ${atLeast}` : ''
  const verdict = bound ? (isWithinBounds(figure) ? 'ok' : isFailure(figure) ? 'FAILED' : 'MISSED') : ''
  const shown = `${value.toFixed(value < 10 ? 2 : 1)} ${unit}`
  return `  ${what.padEnd(58)} ${shown.padStart(14)} ${bound.padStart(9)} ${verdict.padEnd(7)} ${note ?? ''}`.trimEnd()
}

/** A line for a program: the figure, and whether it is within its bounds (`ok`). */
export function figureJson(figure: Figure): string {
  return JSON.stringify({ ...figure, ok: isWithinBounds(figure) })
}
