/** A text that is painted over itself on a terminal. */

export interface ScreenSize {
  /** In characters; undefined or 0: not known, nothing is cut. */
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/** From the top of the screen, each line to its end, and nothing below (ECMA-48: CUP, EL, ED). */
const [home, clearLine, clearBelow] = ['\u001b[H', '\u001b[K', '\u001b[J']

/** What to write so that the screen shows these lines, cut to its size; how many are left out is told. */
export function paintText(lines: readonly string[], { columns, rows }: ScreenSize): string {
  // The cursor takes the last row.
  const room = Math.max(2, (rows || Number.POSITIVE_INFINITY) - 1)
  const shown =
    lines.length > room ? [...lines.slice(0, room - 1), `… and ${lines.length - room + 1} more lines`] : lines
  const cut = shown.map((line) => (columns ? Array.from(line).slice(0, columns).join('') : line))
  return `${home}${cut.map((line) => `${line}${clearLine}\n`).join('')}${clearBelow}`
}
