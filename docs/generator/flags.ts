/** docs/reference/flags.md: every command and option of the three programs, from what they say of themselves. */
import type { EventEmitter } from 'node:events'
import { type Command, Option } from 'commander'
import { agentSpec } from '../../agent/options.ts'
import { choicesOf } from '../../cli/arguments.ts'
import { commandTree } from '../../cli/program.ts'
import { controllerProgram } from '../../controller/options.ts'
import type { OptionSpec, ProgramSpec } from '../../lib/options.ts'

type Daemon = Pick<ProgramSpec<unknown>, 'name' | 'description' | 'options' | 'examples'>

export function flagsPage(): string {
  const program = commandTree()
  return [
    '# Commands and options',
    '',
    'Every command and option, as `--help` has them. What they mean in full is in [overlayctl](overlayctl.md) and [overlay-controller and overlay-agent](daemons.md).',
    '',
    '## overlayctl',
    '',
    program.description(),
    '',
    '### Global options',
    '',
    'Before or after any command.',
    '',
    ...options(program.options, variableInText),
    ...program.commands.filter(isShown).flatMap((command) => described(command, [program.name()])),
    ...[controllerProgram, agentSpec].flatMap(daemon),
  ].join('\n')
}

/** A command, and those below it. */
function described(command: Command, above: readonly string[]): readonly string[] {
  const words = [...above, command.name()]
  const below = command.commands.filter(isShown)
  const usage = `${words.join(' ')} ${command.usage()}`.trim()
  return [
    `### ${words.join(' ')}`,
    '',
    command.description() || command.summary(),
    '',
    ...(below.length > 0 && !isRun(command) ? [] : [...code([usage]), ...argumentsOf(command)]),
    ...options(command.options, () => undefined),
    ...after(command),
    ...below.flatMap((one) => described(one, words)),
  ]
}

/** Not one that only holds others. */
function isRun(command: Command): boolean {
  return command.commands.length === 0
}

/** commander keeps it to itself. */
function isShown(command: Command): boolean {
  return !command.name().startsWith('__')
}

function argumentsOf({ registeredArguments }: Command): readonly string[] {
  const rows = registeredArguments.map((one) => {
    const choices = choicesOf(one.parseArg) ?? []
    const text = choices.some((choice) => one.description.includes(choice)) ? '' : choices.join(', ')
    return [tick(one.name()), [one.description, text].filter(Boolean).join(': ')]
  })
  return rows.length > 0 ? table(['argument', ''], rows) : []
}

/** What commander shows after the help: notes, and examples as they are typed. */
function after(command: Command): readonly string[] {
  const texts: string[] = []
  // Its types leave out that it is one.
  const emitter = command as unknown as EventEmitter
  emitter.emit('afterHelp', { error: false, command, write: (text: string) => texts.push(text) })
  const [notes = '', examples] = texts.join('').split(/^Examples:\n/m)
  return [...paragraph(notes), ...(examples === undefined ? [] : code(unindented(examples)))]
}

function daemon({ name, description, options: specs, examples }: Daemon): readonly string[] {
  const config = {
    flags: '--config <file>',
    description: 'YAML file with the options below as keys, in lowerCamelCase',
  }
  const all = [config, ...specs].map((spec: OptionSpec) => {
    const text =
      spec.repeatable && !/repeatable/.test(spec.description) ? `repeatable: ${spec.description}` : spec.description
    return new Option(spec.flags, text)
  })
  const [text = '', more = ''] = examples.replace(/^Examples:\n/, '').split(/\n(?=\S)/)
  return [
    `## ${name}`,
    '',
    description,
    '',
    ...options(all, (option) => (option.long === '--config' ? undefined : variableOf(option))),
    ...code(unindented(text)),
    ...paragraph(more),
  ]
}

/** With a column of environment variables where there are any, and one of defaults. */
function options(all: readonly Option[], variable: (option: Option) => string | undefined): readonly string[] {
  const shown = all.filter(({ hidden, long }) => !hidden && long !== '--version')
  if (shown.length === 0) return []
  const rows = shown.map((option) => {
    const { text, otherwise } = parts(option)
    return [tick(option.flags), variable(option) ?? '', otherwise, text]
  })
  const kept = [0, 1, 2, 3].filter((column) => column === 0 || column === 3 || rows.some((row) => row[column] !== ''))
  const head = ['option', 'environment', 'default', '']
  return table(
    kept.map((column) => head[column] ?? ''),
    rows.map((row) => kept.map((column) => row[column] ?? '')),
  )
}

/** Descriptions say the default and the variable at their ends. */
function parts({ description, parseArg, defaultValue }: Option): { readonly text: string; readonly otherwise: string } {
  const said = description.replace(/ ?\[OVERLAY_\w+\]/, '')
  const found = /^(.*?) ?\((repeatable; )?default: ((?:[^()]|\([^()]*\))*)\)$/s.exec(said)
  const text = found ? `${found[1]}${found[2] ? ' (repeatable)' : ''}` : said
  const choices = choicesOf(parseArg) ?? []
  const missing = choices.filter((choice) => !text.includes(choice))
  return {
    text: missing.length > 0 ? `${text}: ${choices.join(', ')}` : text,
    otherwise: found?.[3] ?? (typeof defaultValue === 'string' ? defaultValue : ''),
  }
}

function variableInText({ description }: Option): string | undefined {
  const name = /\[(OVERLAY_\w+)\]/.exec(description)?.[1]
  return name && tick(name)
}

function variableOf(option: Option): string {
  return tick(`OVERLAY_${option.name().toUpperCase().replaceAll('-', '_')}`)
}

function paragraph(text: string): readonly string[] {
  const words = text.trim().replaceAll(/\s+/g, ' ')
  return words === '' ? [] : [words, '']
}

function unindented(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/^ {2}/, ''))
    .filter((line) => line.trim() !== '')
}

function code(lines: readonly string[]): readonly string[] {
  return [...lines.map((line) => `    ${line}`), '']
}

function tick(text: string): string {
  return `\`${text}\``
}

/** One row a line, as the widths of cells change with every word. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line), '']
}
