/** ls --watch: a list, live. */
import type { Event } from '../../proto/index.ts'
import type { Context } from '../context.ts'
import type { ListView } from '../output.ts'
import { alignedText, tableText } from '../table.ts'
import { type ItemChange, itemChanges } from './changes.ts'
import { paintText } from './screen.ts'
import { snapshots } from './snapshots.ts'

export interface WatchedList<T> {
  readonly list: () => Promise<readonly T[]>
  /** Whether the list may be another one after this event. */
  readonly concerns: (event: Event) => boolean
  /** Tells an item from all others, for good. */
  readonly key: (item: T) => string
  readonly view: ListView<T>
  /** What an item is called in JSON and YAML: `network`. */
  readonly noun: string
  /** Instead of the view's format: a line per item. */
  readonly line?: (item: T) => string
}

/**
 * On a terminal the table is painted again at each change. Otherwise, and in the
 * formats for programs, each item is printed as it comes, changes and goes.
 * Never ends but by an error.
 */
export async function watchList<T>(context: Context, watched: WatchedList<T>): Promise<void> {
  const { globals, stdout } = context
  const isTable = globals.output === 'table' || globals.output === 'wide'
  const show = isTable && !watched.line && stdout.isTTY ? painter(context, watched) : await printer(context, watched)
  for await (const items of snapshots(context, watched.list, watched.concerns)) show(items)
}

function painter<T>({ globals, stdout, now }: Context, { view }: WatchedList<T>) {
  return (items: readonly T[]) => {
    const text =
      items.length > 0
        ? tableText(view.columns, items, { now: now(), wide: globals.output === 'wide' })
        : `${view.hint}\n`
    stdout.write(paintText(text.trimEnd().split('\n'), stdout))
  }
}

async function printer<T>(context: Context, watched: WatchedList<T>) {
  const { key, view, line } = watched
  const text = line ? (changes: readonly ItemChange<T>[]) => linesOf(changes, line) : await formatted(context, watched)
  const json = (item: T) => JSON.stringify(view.json(item))
  let before = new Map<string, T>()
  return (items: readonly T[]) => {
    const after = new Map(items.map((item) => [key(item), item]))
    const changes = itemChanges(before, after, json)
    before = after
    if (changes.length > 0) context.stdout.write(text(changes))
  }
}

function linesOf<T>(changes: readonly ItemChange<T>[], line: (item: T) => string): string {
  return changes.map(({ item }) => `${line(item)}\n`).join('')
}

/** How changes are written, in the format that was asked for. */
async function formatted<T>(
  { globals, now }: Context,
  { view, noun }: WatchedList<T>,
): Promise<(changes: readonly ItemChange<T>[]) => string> {
  const data = ({ change, item }: ItemChange<T>) => ({ change, [noun]: view.json(item) })
  switch (globals.output) {
    case 'name':
      return (changes) => linesOf(changes, view.name)
    case 'json':
      return (changes) => changes.map((one) => `${JSON.stringify(data(one))}\n`).join('')
    case 'yaml': {
      const { stringify } = await import('yaml')
      return (changes) => changes.map((one) => `---\n${stringify(data(one))}`).join('')
    }
    case 'table':
    case 'wide': {
      const columns = view.columns.filter((column) => globals.output === 'wide' || !column.wide)
      // A stream cannot know what comes: as wide as the widest word.
      const widths = ['removed'.length]
      let heading = [['CHANGE', ...columns.map((column) => column.heading)]]
      return (changes) => {
        const rows = changes.map(({ change, item }) => [change, ...columns.map((column) => column.cell(item, now()))])
        const text = alignedText([...heading, ...rows], widths)
        heading = []
        return text
      }
    }
  }
}
