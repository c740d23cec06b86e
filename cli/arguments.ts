/**
 * What option values may be. Each parser throws commander's
 * InvalidArgumentError, which becomes exit code 2 with the option's name before
 * the message. Values of networks and endpoints are taken as they are written
 * (see requests/): commander stops at the first fault, and they have many.
 */
import { isIP, isIPv6 } from 'node:net'
import { InvalidArgumentError, type Option } from 'commander'
import { quote } from '../lib/quote.ts'

/** What commander calls for each time that an option is given. */
type Collector<T> = (text: string, before: readonly T[] | undefined) => readonly T[]

/** The parsers that make lists. */
const collectors = new WeakSet<object>()
/** What those parsers take that take few words only. */
const choicesByParser = new WeakMap<object, readonly string[]>()

/** The words that a parser takes, where they are few. */
export function choicesOf(parse: object | undefined): readonly string[] | undefined {
  return parse && choicesByParser.get(parse)
}

/** Makes a list of an option that may be given many times. */
export function repeatable<T>(parse: (text: string) => T): Collector<T> {
  const collect: Collector<T> = (text, before = []) => [...before, parse(text)]
  collectors.add(collect)
  return collect
}

/** Has an option with one value refused where it is given again: commander would silently take the last. Flags have none. */
export function refuseRepeated(option: Option): void {
  const { parseArg } = option
  if (parseArg && collectors.has(parseArg)) return
  const given: string[] = []
  const once = (text: string, before: unknown): unknown => {
    given.push(text)
    if (given.length > 1)
      throw new InvalidArgumentError(`is given more than once, as ${given.map(quote).join(' and ')}: give it once`)
    return parseArg ? parseArg(text, before) : text
  }
  const choices = choicesOf(parseArg)
  if (choices) choicesByParser.set(once, choices)
  option.argParser(once)
}

/** Collects an option that may be given many times, as it is written. */
export const texts = repeatable((text) => text)

export const parseText = (text: string): string => {
  if (text === '') throw new InvalidArgumentError('must not be empty')
  return text
}

/** Timers of Node hold 2^31 - 1 milliseconds. */
const mostSeconds = 2_000_000

/** Seconds, also broken ones, as milliseconds. */
export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || seconds === 0)
    throw new InvalidArgumentError(`"${text}" is not a number of seconds (for example 10 or 0.5)`)
  if (seconds > mostSeconds) throw new InvalidArgumentError(`${text} is too long: at most ${mostSeconds} seconds`)
  return Math.ceil(seconds * 1000)
}

export function parseChoice<T extends string>(choices: readonly T[]) {
  const parse = (text: string): T => {
    const found = choices.find((choice) => choice === text)
    if (found === undefined) throw new InvalidArgumentError(`"${text}" is none of ${choices.join(', ')}`)
    return found
  }
  choicesByParser.set(parse, choices)
  return parse
}

/** HOST:PORT, with brackets around an IPv6 address. */
function isHostPort(text: string): boolean {
  const [, host, port] = /^(\[[^\]]+\]|[^:[\]\s/]+):(\d{1,5})$/.exec(text) ?? []
  const bracketed = host?.startsWith('[') ?? false
  return !!host && Number(port) >= 1 && Number(port) <= 65_535 && (!bracketed || isIPv6(host.slice(1, -1)))
}

/** One or more, with commas between; each once. */
export function parseHostPorts(text: string): readonly string[] {
  const all = new Set(text.split(',').map((one) => one.trim()))
  const wrong = [...all].filter((one) => !isHostPort(one)).map((one) => `"${one}"`)
  if (wrong.length > 0)
    throw new InvalidArgumentError(
      `${wrong.join(', ')} ${wrong.length > 1 ? 'are' : 'is'} not HOST:PORT (for example 127.0.0.1:4780 or [::1]:4780)`,
    )
  return [...all]
}

export function parseAddress(text: string): string {
  if (isIP(text) === 0 || text.includes('%'))
    throw new InvalidArgumentError(`"${text}" is not an IP address (for example 10.0.9.7 or fd00::7)`)
  return text
}

/** Filters of networks, by key, as the controller takes them. */
export const filterExamples = {
  name: 'name=we',
  id: 'id=7d1c',
  label: 'label=team or label=team=web',
  driver: 'driver=overlay',
  node: 'node=host1',
  dangling: 'dangling=true',
  until: 'until=24h or until=2026-03-01T00:00:00Z',
} as const

/** KEY=VALUE with one of these keys. */
export function parseFilter(keys: readonly (keyof typeof filterExamples)[]) {
  return (text: string): string => {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
    const key = keys.find((one) => one === name)
    if (key === undefined)
      throw new InvalidArgumentError(`"${text}" is no filter: use ${keys.map((one) => `${one}=`).join(', ')}`)
    if (value === '') throw new InvalidArgumentError(`"${text}" has no value: write it as in ${filterExamples[key]}`)
    return text
  }
}
