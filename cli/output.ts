/** What commands print on standard output, in the format that was asked for. */
import type { JsonObject } from '../proto/index.ts'
import type { Context } from './context.ts'
import { alignedText, type Column, tableText } from './table.ts'

/** How messages of one type are shown. */
export interface View<T> {
  /** Canonical proto3 JSON. */
  readonly json: (value: T) => JsonObject
  /** What tells it from others: -o name. */
  readonly name: (value: T) => string
  readonly columns: readonly Column<T>[]
  /** `inspect` for people: a name and a value per line. */
  readonly sheet: (value: T, now: Date) => readonly (readonly [string, string])[]
  /** What follows the sheet, for example a table of parts. */
  readonly appendix?: (value: T, now: Date) => string
  /** What to do when there are none. */
  readonly hint: string
}

/** What a list takes: what is never shown in full has no more. */
export type ListView<T> = Omit<View<T>, 'sheet' | 'appendix'>

/** A list: a table, a JSON list (also of none or one), or a name per line. */
export async function printList<T>(context: Context, view: ListView<T>, values: readonly T[]): Promise<void> {
  const { globals, now, stdout } = context
  switch (globals.output) {
    case 'table':
    case 'wide':
      if (values.length === 0) return context.note(view.hint)
      stdout.write(tableText(view.columns, values, { now: now(), wide: globals.output === 'wide' }))
      return
    case 'name':
      stdout.write(values.map((value) => `${view.name(value)}\n`).join(''))
      return
    case 'json':
    case 'yaml':
      await printData(
        context,
        values.map((value) => view.json(value)),
      )
  }
}

/** What was done: as a list, but of nothing, people are told nothing. */
export async function printResults<T>(context: Context, view: ListView<T>, values: readonly T[]): Promise<void> {
  const { output } = context.globals
  if (values.length > 0 || output === 'json' || output === 'yaml') await printList(context, view, values)
}

/** One object: a table of one row, or the JSON object itself. */
export async function printOne<T>(context: Context, view: View<T>, value: T): Promise<void> {
  if (context.globals.output === 'json' || context.globals.output === 'yaml') await printData(context, view.json(value))
  else await printList(context, view, [value])
}

/** Everything about the objects asked for: JSON is an object for one, a list for several. */
export async function printDetails<T>(
  context: Context,
  view: View<T>,
  values: readonly T[],
  asked: number,
): Promise<void> {
  const { globals, now, stdout } = context
  const [first] = values
  if (globals.output === 'table' || globals.output === 'wide') {
    const sheets = values.map(
      (value) =>
        alignedText(view.sheet(value, now()).map(([name, text]) => [`${name}:`, text])) +
        (view.appendix?.(value, now()) ?? ''),
    )
    stdout.write(sheets.join('\n'))
  } else if (asked === 1) {
    if (first !== undefined) await printOne(context, view, first)
  } else await printList(context, view, values)
}

/** JSON or YAML, as was asked for. */
export async function printData({ globals, stdout }: Context, data: JsonObject | readonly JsonObject[]): Promise<void> {
  if (globals.output === 'yaml') {
    const { stringify } = await import('yaml')
    stdout.write(stringify(data))
  } else stdout.write(`${JSON.stringify(data, null, 2)}\n`)
}
