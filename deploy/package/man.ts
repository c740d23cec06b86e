/** Manual pages, made from what the programs say of themselves. */
import { execa } from 'execa'
import { commandsOf, type Help, type Item, parseHelp } from './help-text.ts'

export interface Page {
  /** `overlayctl-attach.1` */
  readonly file: string
  /** roff (man(7)). */
  readonly content: string
}

interface Described {
  /** The words of the command: `overlayctl`, `node`, `rm`. */
  readonly words: readonly string[]
  readonly summary: string
  readonly help: Help
  readonly below: readonly Described[]
}

export interface Program {
  readonly name: string
  readonly section: 1 | 8
  /** Of what is built: runs it with these arguments. */
  readonly path: string
}

/** The page of a program, and one of each of its commands with those below it. */
export async function manualPages(program: Program, version: string): Promise<readonly Page[]> {
  const root = await describe(program.path, [program.name], '')
  const { name, section } = program
  const summary = root.help.description.join(' ').replace(/[.:;].*$/s, '')
  const heading = (page: string) => `.TH ${page.toUpperCase()} ${section} "" "overlay ${version}" "Overlay networks"`
  const options = root.help.sections.find(({ title }) => title === 'Options')?.items ?? []
  const pages = root.below.map((command) => {
    const page = command.words.join('-')
    const body = commandPage(command, page, section)
    return { file: `${page}.${section}`, content: roff([heading(page), ...body, ...seeAlso([`${name}(${section})`])]) }
  })
  const body = [
    ...nameAndSynopsis(name, lowerFirst(summary), root),
    ...descriptionOf(root.help),
    ...root.help.sections
      .filter(({ title }) => title !== 'Options')
      .flatMap(({ title, items }) => commandList(title, items, name)),
    '.SH OPTIONS',
    ...options.flatMap(itemLines),
    ...examplesOf(root.help, '.SH'),
    ...filesOf(name),
    ...seeAlso(related.filter((other) => !other.startsWith(`${name}(`))),
  ]
  return [{ file: `${name}.${section}`, content: roff([heading(name), ...body]) }, ...pages]
}

const related = ['overlayctl(1)', 'overlay-controller(8)', 'overlay-agent(8)']

/** Files that a program's page names. */
const files: { readonly [program: string]: readonly Item[] } = {
  overlayctl: [
    {
      term: '/etc/overlay/overlayctl.yaml',
      text: 'where the controllers are and which certificate is shown to them, for everybody on this host',
    },
    { term: '~/.config/overlay/overlayctl.yaml', text: 'the same, of one person' },
  ],
  'overlay-controller': [
    { term: '/etc/overlay/controller.yaml', text: 'options of the unit overlay-controller.service, in lowerCamelCase' },
    { term: '/var/lib/overlay/controller', text: 'state' },
  ],
  'overlay-agent': [
    { term: '/etc/overlay/agent.yaml', text: 'options of the unit overlay-agent.service, in lowerCamelCase' },
    { term: '/var/lib/overlay/agent', text: 'state: what this node is, and what it has begun and not finished' },
    { term: '/run/overlay/agent.sock', text: 'the API of this host, for root and the group overlay' },
  ],
}

async function describe(path: string, words: readonly string[], summary: string): Promise<Described> {
  const { stdout } = await execa(process.execPath, [path, ...words.slice(1), '--help'])
  const help = parseHelp(stdout)
  const below: Described[] = []
  for (const command of commandsOf(help)) below.push(await describe(path, [...words, command.name], command.summary))
  return { words, summary, help, below }
}

function commandPage(command: Described, page: string, section: number): readonly string[] {
  return [
    ...nameAndSynopsis(page, command.summary, command),
    ...descriptionOf(command.help),
    ...optionsOf(command.help, '.SH'),
    ...command.below.flatMap((below) => subcommand(below)),
    ...examplesOf(command.help, '.SH'),
    '.SH GLOBAL OPTIONS',
    `Those of ${escaped(`${command.words[0]}(${section})`)}, before or after the command.`,
  ]
}

/** A command of a command, with all below it, as a part of its page. */
function subcommand(command: Described): readonly string[] {
  return [
    `.SH ${escaped(command.words.slice(1).join(' ').toUpperCase())}`,
    `.B ${escaped(command.help.usage)}`,
    '.PP',
    ...paragraphs(command.help.description),
    ...optionsOf(command.help, '.SS'),
    ...examplesOf(command.help, '.SS'),
    ...command.below.flatMap((below) => subcommand(below)),
  ]
}

function nameAndSynopsis(page: string, summary: string, { help }: Described): readonly string[] {
  return ['.SH NAME', `${escaped(page)} \\- ${escaped(summary)}`, '.SH SYNOPSIS', `.B ${escaped(help.usage)}`]
}

function descriptionOf({ description, notes }: Help): readonly string[] {
  return ['.SH DESCRIPTION', ...paragraphs([...description, ...notes])]
}

function optionsOf({ sections }: Help, level: '.SH' | '.SS'): readonly string[] {
  return sections
    .filter(({ title }) => title === 'Arguments' || title === 'Options')
    .flatMap(({ title, items }) => [`${level} ${title.toUpperCase()}`, ...items.flatMap(itemLines)])
}

function commandList(title: string, items: readonly Item[], program: string): readonly string[] {
  const rows = items.map(({ term, text }) => ({ term: `${program}-${term.replace(/ .*/, '')}(1)`, text }))
  return [`.SH ${escaped(title.toUpperCase())}`, ...rows.flatMap(itemLines)]
}

function examplesOf({ examples }: Help, level: '.SH' | '.SS'): readonly string[] {
  return examples.length === 0 ? [] : [`${level} EXAMPLES`, '.nf', ...examples.map(escaped), '.fi']
}

function filesOf(program: string): readonly string[] {
  return ['.SH FILES', ...(files[program] ?? []).flatMap(itemLines)]
}

function seeAlso(pages: readonly string[]): readonly string[] {
  return ['.SH SEE ALSO', escaped(pages.join(', '))]
}

function itemLines({ term, text }: Item): readonly string[] {
  return ['.TP', `.B ${escaped(term)}`, escaped(text)]
}

function paragraphs(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text, index) => [...(index > 0 ? ['.PP'] : []), escaped(text)])
}

/** Nothing in it is a request or a character of roff's own. */
function escaped(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-')
  return /^[.']/.test(plain) ? `\\&${plain}` : plain
}

function roff(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}
