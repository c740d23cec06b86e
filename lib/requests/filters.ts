/** The filters of a list of networks: KEY=VALUE texts, parsed once. */

import type { Network } from '../../proto/index.ts'
import { OverlayError } from '../errors.ts'
import { Faults } from '../faults.ts'
import { parseName } from '../names.ts'
import { quote } from '../quote.ts'
import { parseMoment } from './moment.ts'

/** Of one key's several values one must fit, of labels all. */
export interface Filters {
  /** What the record alone tells. */
  readonly fits: (network: Network) => boolean
  /** Nodes by name or uid: it has an endpoint on one of them. Empty: on any, or none. */
  readonly nodes: readonly string[]
  /** True: it has no endpoint; false: it has some. */
  readonly dangling: boolean | undefined
}

type Test = (network: Network) => boolean
/** @throws OverlayError `invalid` */
type ReadTest = (value: string, now: Date) => Test

/** Those that the record decides. */
const tests: { readonly [key: string]: ReadTest } = {
  name: (part) => {
    if (!/^[a-z0-9-]{1,63}$/.test(part)) throw wrong('give a part of a name (lower-case letters, digits and hyphens)')
    return ({ name }) => name.includes(part)
  },
  id: (beginning) => {
    if (!/^[0-9a-f]{1,32}$/.test(beginning)) throw wrong('give the first of the 32 hex digits of an id')
    return ({ uid }) => uid.startsWith(beginning)
  },
  label: (text) => {
    const [key, value] = splitPair(text)
    if (key === '') throw wrong('write label=KEY or label=KEY=VALUE')
    return ({ labels }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value)
  },
  driver: (driver) => {
    if (driver === '') throw wrong('give a driver (all networks here have "overlay")')
    return () => driver === 'overlay'
  },
  until: (text, now) => {
    const moment = parseMoment(text, now).getTime()
    return ({ createdAt }) => Date.parse(createdAt) < moment
  },
}

/** With those for which there is more to read. */
const keys = [...Object.keys(tests), 'node', 'dangling']

/** Each is held against every network. */
const mostFilters = 100

/**
 * `now`: where durations count back from.
 * @throws OverlayError `invalid` with all that is wrong.
 */
export function parseFilters(texts: readonly string[], now: Date): Filters {
  const faults = new Faults()
  const found = new Map<string, Test[]>()
  const nodes: string[] = []
  const danglings = new Set<boolean>()
  if (texts.length > mostFilters) faults.add(`filters: ${texts.length} are too many (at most ${mostFilters})`)
  for (const text of texts.slice(0, mostFilters)) {
    faults.try(`filter ${quote(text)}`, () => {
      const [key, value] = splitPair(text)
      if (!keys.includes(key)) throw wrong(`there is none of that name: use ${keys.join(', ')}`)
      if (value === undefined) throw wrong(`write ${key}=VALUE`)
      if (key === 'node') nodes.push(parseName(value))
      else if (key === 'dangling') danglings.add(parseBoolean(value))
      else found.set(key, [...(found.get(key) ?? []), ...(tests[key] ? [tests[key](value, now)] : [])])
    })
  }
  faults.throwIfAny()
  const [dangling, ...both] = danglings
  const groups = [...found].map(([key, all]): Test => {
    if (key === 'label') return (network) => all.every((test) => test(network))
    return (network) => all.some((test) => test(network))
  })
  return {
    fits: (network) => groups.every((fit) => fit(network)),
    nodes,
    dangling: both.length > 0 ? undefined : dangling,
  }
}

function parseBoolean(text: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw wrong('give true or false')
}

function wrong(message: string): OverlayError {
  return new OverlayError('invalid', message)
}

/** At the first `=`. */
function splitPair(text: string): [key: string, value: string | undefined] {
  const at = text.indexOf('=')
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
