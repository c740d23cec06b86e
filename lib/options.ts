/**
 * A program's configuration: flags over environment (OVERLAY_…) over a YAML
 * file (--config), checked with one schema, every wrong key named at once.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { parse } from 'yaml'
import { z } from 'zod'
import { UsageError } from './errors.ts'
import { version } from './version.ts'

export interface OptionSpec {
  /** As commander takes it, for example `--etcd <urls>`. */
  readonly flags: string
  readonly description: string
  /** The flag may be given many times and makes a list. */
  readonly repeatable?: boolean
}

export interface ProgramSpec<T> {
  readonly name: string
  readonly description: string
  readonly options: readonly OptionSpec[]
  /** Takes every option by its lower-camel-case name, as text or list; gives defaults. */
  readonly schema: z.ZodType<T>
  /** Shown after the help: examples. */
  readonly examples: string
}

/**
 * Reads the configuration of one of the daemons. `--help` and `--version` end
 * the process with 0.
 * @throws UsageError naming every wrong option, where it stood, and why.
 */
export function readOptions<T>(spec: ProgramSpec<T>, argv: readonly string[], env: NodeJS.ProcessEnv): T {
  const command = new Command(spec.name).description(spec.description).version(version)
  command.option('--config <file>', 'YAML file with the options below as keys, in lowerCamelCase')
  for (const option of spec.options) command.addOption(commanderOption(option))
  command
    .addHelpText('after', `\n${spec.examples}`)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  const flags = parseFlags(command, argv)
  const names = spec.options.map((option) => commanderOption(option).attributeName())
  const fromFile = flags.config === undefined ? {} : readFile(flags.config as string)
  const merged = { ...fromFile, ...fromEnvironment(spec.options, env), ...without(flags, 'config') }
  const unknown = Object.keys(merged).filter((name) => !names.includes(name))
  const checked = spec.schema.safeParse(merged)
  const faults = checked.success ? [] : checked.error.issues.map((issue) => faultText(issue))
  if (unknown.length > 0) faults.push(...unknown.map((name) => `${name}: no such option`))
  if (!checked.success || faults.length > 0) throw new UsageError(faults.join('\n'))
  return checked.data
}

function commanderOption({ flags, description, repeatable }: OptionSpec): Option {
  const option = new Option(flags, description)
  if (repeatable) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
  return option
}

function parseFlags(command: Command, argv: readonly string[]): Record<string, unknown> {
  try {
    return command.parse(argv, { from: 'user' }).opts()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) process.exit(0)
    const faults = error.code === 'commander.unknownOption' ? unknownFlags(command, argv) : [error.message]
    throw new UsageError(`${faults.map(inOurWords).join('; ')} (see ${command.name()} --help)`)
  }
}

/** What commander says of each of them, with the flag that may be meant: by itself it stops at the first. */
function unknownFlags(command: Command, argv: readonly string[]): readonly string[] {
  const { unknown } = command.parseOptions([...argv])
  const end = unknown.indexOf('--')
  const flags = unknown.slice(0, end < 0 ? undefined : end).filter((text) => /^-./.test(text))
  return flags.map((text) => {
    const flag = text.replace(/=.*/s, '')
    try {
      command.parse([flag], { from: 'user' })
      return `unknown option '${flag}'`
    } catch (error) {
      return (error as Error).message
    }
  })
}

/** On one line: `unknown option '--prot', did you mean --port?`. */
function inOurWords(message: string): string {
  return message.replace(/^error: /, '').replace(/\n\(Did (.*)\)$/, ', did $1')
}

function fromEnvironment(options: readonly OptionSpec[], env: NodeJS.ProcessEnv): Record<string, unknown> {
  return Object.fromEntries(
    options.flatMap((spec) => {
      const option = commanderOption(spec)
      const value = env[`OVERLAY_${option.name().toUpperCase().replaceAll('-', '_')}`]
      if (value === undefined || value === '') return []
      return [[option.attributeName(), spec.repeatable ? value.split(',') : value]]
    }),
  )
}

function readFile(path: string): Record<string, unknown> {
  try {
    const content: unknown = parse(readFileSync(path, 'utf8')) ?? {}
    return z.record(z.string(), z.unknown()).parse(content)
  } catch (error) {
    const why = error instanceof z.ZodError ? 'must be a mapping of options' : (error as Error).message
    throw new UsageError(`--config ${path}: ${why}`)
  }
}

function faultText(issue: z.core.$ZodIssue): string {
  const [name] = issue.path
  if (name === undefined) return issue.message
  return `--${String(name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}: ${issue.message}`
}

function without(record: Record<string, unknown>, key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key))
}
