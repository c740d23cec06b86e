/** What may stand at the end of a line of overlayctl, from commander's own tree of commands. */
import type { Argument, Command, Option } from 'commander'
import { choicesOf } from '../arguments.ts'
import { formats } from '../globals.ts'

export interface Candidate {
  readonly text: string
  readonly description: string
}

/** What the cluster has names of. */
export type Named = 'networks' | 'nodes' | 'endpoints' | 'tokens' | 'identities'

/** Words to choose from, the names of something, the shell's files, or nothing that could be told. */
export type Completion =
  | { readonly kind: 'words'; readonly words: readonly Candidate[] }
  | { readonly kind: 'names'; readonly of: Named; readonly prefix: string }
  | { readonly kind: 'files' }
  | { readonly kind: 'nothing' }

const nothing: Completion = { kind: 'nothing' }

/** `line`: the words after `overlayctl`; the last one, perhaps empty, is being typed. */
export function completionOf(program: Command, line: readonly string[]): Completion {
  const words = joined(line)
  const current = words.pop() ?? ''
  const place = placeAfter(program, words)
  if (place.option) return valueCompletion(place.option, current, '')
  const [, flag = '', value = ''] = place.onlyArguments ? [] : (/^(--[\w-]+)=(.*)$/s.exec(current) ?? [])
  if (flag) {
    const option = optionsOf(program, place.command).find(({ long }) => long === flag)
    return option ? valueCompletion(option, value, `${flag}=`) : nothing
  }
  if (current.startsWith('-') && !place.onlyArguments) return options(program, place.command, current, words)
  const subcommands = place.command.commands.filter((one) => !isHidden(one))
  if (subcommands.length > 0 && place.given === 0)
    return chosen(
      subcommands.map((one) => ({ text: one.name(), description: one.summary() })),
      current,
    )
  const { registeredArguments } = place.command
  const argument = registeredArguments[place.given] ?? registeredArguments.findLast(({ variadic }) => variadic)
  return argument ? argumentCompletion(place.command, argument) : nothing
}

/** Where the words lead to. */
interface Place {
  readonly command: Command
  /** How many arguments it has got. */
  readonly given: number
  /** Its value comes next. */
  readonly option: Option | undefined
  /** `--` has been given. */
  readonly onlyArguments: boolean
}

function placeAfter(program: Command, words: readonly string[]): Place {
  let command = program
  let given = 0
  let option: Option | undefined
  let onlyArguments = false
  for (const word of words) {
    if (option) {
      if (word !== '=') option = undefined
    } else if (word === '--') onlyArguments = true
    else if (word.startsWith('-') && !onlyArguments)
      option = optionsOf(program, command).find((one) => takesValue(one) && (one.long === word || one.short === word))
    else {
      const next = given === 0 ? command.commands.find((one) => one.name() === word) : undefined
      if (next) command = next
      else given++
    }
  }
  return { command, given, option, onlyArguments }
}

/** bash takes `10.0.0.1:4780` apart. */
function joined(line: readonly string[]): string[] {
  const words: string[] = []
  let isOpen = false
  for (const word of line) {
    const last = words.length - 1
    if (last >= 0 && (word === ':' || isOpen)) words[last] += word
    else words.push(word)
    isOpen = word === ':'
  }
  return words
}

function optionsOf(program: Command, command: Command): readonly Option[] {
  return command === program ? program.options : [...command.options, ...program.options]
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}

function options(program: Command, command: Command, current: string, words: readonly string[]): Completion {
  const help = { text: '--help', description: 'display help' }
  const left = optionsOf(program, command).filter((one) => one.long && !one.hidden && !words.includes(one.long))
  return chosen([...left.map((one) => ({ text: one.long ?? '', description: one.description })), help], current)
}

function valueCompletion(option: Option, current: string, prefix: string): Completion {
  const name = option.attributeName()
  const choices = name === 'output' ? formats : choicesOf(option.parseArg)
  if (choices)
    return chosen(
      choices.map((text) => ({ text: prefix + text, description: '' })),
      prefix + current,
    )
  if (name === 'network') return { kind: 'names', of: 'networks', prefix }
  if (name === 'node') return { kind: 'names', of: 'nodes', prefix }
  return /<(file|path)>/.test(option.flags) ? { kind: 'files' } : nothing
}

function argumentCompletion(command: Command, argument: Argument): Completion {
  const name = argument.name()
  const description = argument.description
  const names = (of: Named): Completion => ({ kind: 'names', of, prefix: '' })
  if (/^(names of networks|name of (the|a) network|only this network)/.test(description)) return names('networks')
  if (name === 'endpoint|network') return names('endpoints')
  if (description.startsWith('names of nodes')) return names('nodes')
  if (name === 'id' && command.parent?.name() === 'endpoint') return names('endpoints')
  if (name === 'token') return names('tokens')
  if (name === 'identity') return names('identities')
  const choices = choicesOf(argument.parseArg)
  if (choices)
    return chosen(
      choices.map((text) => ({ text, description: '' })),
      '',
    )
  return ['file', 'command'].includes(name) ? { kind: 'files' } : nothing
}

function chosen(words: readonly Candidate[], current: string): Completion {
  return { kind: 'words', words: words.filter(({ text }) => text.startsWith(current)) }
}

/** commander keeps it to itself. */
function isHidden(command: Command): boolean {
  return command.name().startsWith('__')
}
