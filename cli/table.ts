/** The one printer of tables: aligned columns without borders, for people. */

export interface Column<T> {
  /** Upper case. */
  readonly heading: string
  /** Empty text is shown as `-`. */
  readonly cell: (value: T, now: Date) => string
  /** Only with -o wide. */
  readonly wide?: true
}

const gap = '   '

/** The rows under their headings; a line each, no trailing space. */
export function tableText<T>(
  columns: readonly Column<T>[],
  values: readonly T[],
  { now, wide }: { now: Date; wide: boolean },
): string {
  const shown = columns.filter((column) => wide || !column.wide)
  const body = values.map((value) => shown.map((column) => column.cell(value, now)))
  return alignedText([shown.map((column) => column.heading), ...body])
}

/**
 * Rows of cells, each column as wide as its widest cell. `widths` are those of
 * rows before, which these go on, and become those of all.
 */
export function alignedText(rows: readonly (readonly string[])[], widths: number[] = []): string {
  const shown = rows.map((row) => row.map((cell) => printable(cell) || '-'))
  for (const row of shown) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return shown
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join(gap)
          .trimEnd()}\n`,
    )
    .join('')
}

/** Labels are anyone's text: control characters must not reach the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)
}
