/** What agents have mended, as it is told to those who follow events. */
import { type Deviation, type Init, Repairs } from '../proto/index.ts'

/** Taken of one agent in a second; the rest is counted. */
const mostDeviations = 100
/** Messages of one agent that are told of in a second. */
const mostMessages = 20
/** Lines of one deviation, and characters of each text. */
const mostLines = 50
const mostText = 300
/** Differences that a message for people names. */
const mostNamed = 3

/**
 * Agents are not to be trusted with everybody's memory and attention: gives what
 * is to be told of one agent's messages, with what was not told of those before;
 * undefined: nothing, for now. `now` is a monotonic clock in milliseconds.
 */
export function repairsIntake(now = () => performance.now()): (repairs: Repairs) => Repairs | undefined {
  let began = -Infinity
  let deviationsLeft = 0
  let messagesLeft = 0
  let untold = 0
  return ({ deviations, more }) => {
    if (now() - began >= 1_000) {
      began = now()
      deviationsLeft = mostDeviations
      messagesLeft = mostMessages
    }
    const kept = messagesLeft-- > 0 ? deviations.slice(0, deviationsLeft) : []
    deviationsLeft -= kept.length
    untold += more + deviations.length - kept.length
    if (messagesLeft < 0) return undefined
    const told = Repairs.create({ deviations: kept.map(bounded), more: untold })
    untold = 0
    return told
  }
}

function bounded(one: Deviation): Init<Deviation> {
  return {
    ...one,
    object: cut(one.object),
    network: cut(one.network),
    endpointId: cut(one.endpointId),
    obstacle: cut(one.obstacle),
    wanted: one.wanted.slice(0, mostLines).map(cut),
    found: one.found.slice(0, mostLines).map(cut),
  }
}

/** For people: `h1: fdb ovvx1048576 02:… was missing: put back`. */
export function repairText(node: string, { kind, object, wanted, found, times }: Deviation): string {
  const again = times > 1 ? ` (${times} times since that was last told: somebody changes it again and again)` : ''
  return `${node}: ${object} ${whatWas(kind, wanted, found)}${again}`
}

export function moreRepairsText(node: string, more: number): string {
  return `${node}: ${more} more ${more === 1 ? 'object was' : 'objects were'} mended`
}

function whatWas(kind: Deviation['kind'], wanted: readonly string[], found: readonly string[]): string {
  switch (kind) {
    case 'MISSING':
      return 'was missing: put back'
    case 'SURPLUS':
      return 'was there and should not be: removed'
    case 'DIFFERENT':
    case 'KIND_UNSPECIFIED': {
      const differences = [...found.map((line) => `-${line}`), ...wanted.map((line) => `+${line}`)]
      const named = differences.slice(0, 2 * mostNamed).join(', ')
      return `was changed${named && ` (${named}${differences.length > 2 * mostNamed ? ', …' : ''})`}: put right`
    }
  }
}

function cut(text: string): string {
  return text.length <= mostText ? text : `${text.slice(0, mostText)}…`
}
