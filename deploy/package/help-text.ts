/** What a program's --help says, taken apart: the one place where its words are written is the program. */

export interface Item {
  /** For example `--netns <path>` or `ls [options]`. */
  readonly term: string
  readonly text: string
}

export interface Section {
  readonly title: string
  readonly items: readonly Item[]
}

export interface Help {
  /** Without the word itself: `overlayctl attach [options] <network>`. */
  readonly usage: string
  readonly description: readonly string[]
  readonly sections: readonly Section[]
  /** Lines of a terminal. */
  readonly examples: readonly string[]
  /** Paragraphs after the examples. */
  readonly notes: readonly string[]
}

/** Sections of a help text that do not list commands. */
const others = /^(Arguments|Options|Global Options)$/

/** commander's format: blocks between empty lines, a title with a colon, then two columns. */
export function parseHelp(text: string): Help {
  const [usage = '', ...blocks] = text.trimEnd().split(/\n{2,}/)
  const help = {
    usage: usage.replace(/^Usage: /, ''),
    description: [] as string[],
    sections: [] as Section[],
    examples: [] as string[],
    notes: [] as string[],
  }
  for (const block of blocks) {
    const [first = '', ...lines] = block.split('\n')
    const title = /^([A-Z][\w ]*):$/.exec(first)?.[1]
    if (title === 'Examples') {
      const end = lines.findIndex((line) => !line.startsWith(' '))
      help.examples.push(...lines.slice(0, end < 0 ? undefined : end).map((line) => line.trim()))
      if (end >= 0) help.notes.push(paragraph(lines.slice(end)))
    } else if (title !== undefined) help.sections.push({ title, items: itemsOf(lines) })
    else (help.sections.length > 0 ? help.notes : help.description).push(paragraph([first, ...lines]))
  }
  return help
}

/** The commands below this one. */
export function commandsOf({ usage, sections }: Help): readonly { readonly name: string; readonly summary: string }[] {
  if (!usage.endsWith('[command]')) return []
  return sections
    .filter(({ title }) => !others.test(title))
    .flatMap(({ items }) => items.map(({ term, text }) => ({ name: term.replace(/ .*/, ''), summary: text })))
}

function itemsOf(lines: readonly string[]): readonly Item[] {
  const items: { term: string; text: string }[] = []
  for (const line of lines) {
    const [, term, text = ''] = /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line) ?? []
    const last = items.at(-1)
    if (term !== undefined) items.push({ term, text })
    else if (last) last.text = `${last.text} ${line.trim()}`.trim()
  }
  return items
}

function paragraph(lines: readonly string[]): string {
  return lines.map((line) => line.trim()).join(' ')
}
